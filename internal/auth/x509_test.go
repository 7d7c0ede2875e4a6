package auth

import (
	"encoding/hex"
	"testing"

	"zooid/internal/wire"
)

// TestSubjectName: the names are those that Java's X500Principal.getName() gives
// for the same bytes.
func TestSubjectName(t *testing.T) {
	for _, c := range []struct{ der, want string }{
		{"3054310b300906035504061302555331153013060355040a0c0c4170616368652c20496e632e310e300c060355040b0c05612b623d63311e301c06035504030c15636c69656e74203c313e20227822205c203b202379",
			"CN=client \\<1\\> \\\"x\\\" \\\\ \\; \\#y,OU=a\\+b\\=c,O=Apache\\, Inc.,C=US"},
		{"307031133011060a0992268993f22c64011916036f726731173015060a0992268993f22c64011916076578616d706c6531123010060a0992268993f22c6401010c027531310e300c06035504070c054bc3b66c6e310c300a06035504080c034e5257310e300c06035504090c055765672031",
			"STREET=Weg 1,ST=NRW,L=Köln,UID=u1,DC=example,DC=org"},
		{"303d3114301206092a864886f70d01090116056140622e63310c300a06035504051303313233310b3009060355040c0c024472310a300806035504030c0178",
			"CN=x,2.5.4.12=#0c024472,2.5.4.5=#1303313233,1.2.840.113549.1.9.1=#16056140622e63"},
		{"30403116301406035504030c0d2074776f2020626c616e6b7320310e300c060355040b0c052368617368310b3009060355040a0c02202031093007060355040a0c00",
			"O=,O=\\ \\ ,OU=\\#hash,CN=\\ two  blanks\\ "},
		{"30433114300806035504030c01613008060355040b0c0162310d300b06035504031e0400680069310d300b0603550403140474e93631310d300b06035504031c0400000068",
			"CN=#1c0400000068,CN=t\ufffd61,CN=\\00h\\00i,CN=a+OU=b"},
		{"3050311b301906035504030c12e697a5e69cace8aa9e20c3a92f3a2728293f310e300c06035504030c056e756c006c3113301106035504030c0a746162096e6c0a63720d310c300a06035504030c030d2078",
			"CN=\\\r\\ x,CN=tab\tnl\ncr\\\r,CN=nul\\00l,CN=日本語 é/:'()?"},
		{"3028310a30080603550403020105310c300a06035504031203313233310c300a06035504031a03766973",
			"CN=#1a03766973,CN=#1203313233,CN=#020105"},
		{"3000",
			""},
		{"30153113301106035504030c0af09f988020ff20626164",
			"CN=😀 \ufffd bad"},
	} {
		der, err := hex.DecodeString(c.der)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := SubjectName(der); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.der, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "30", "3003", "300031", "3002310a"} {
		der, _ := hex.DecodeString(bad)
		if got, err := SubjectName(der); err == nil {
			t.Errorf("%s: %q", bad, got)
		}
	}
}

// FuzzSubjectName: no bytes make it panic.
func FuzzSubjectName(f *testing.F) {
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(_ *testing.T, der []byte) { _, _ = SubjectName(der) })
}

func TestX509IDs(t *testing.T) {
	p := Policy{X509: true, X509SuperUser: "CN=root"}
	if got := p.X509IDs("CN=a"); len(got) != 1 || got[0] != (wire.ID{Scheme: "x509", ID: "CN=a"}) {
		t.Errorf("%v", got)
	}
	if got := p.X509IDs("CN=root"); len(got) != 2 || got[0].Scheme != "super" || got[1].Scheme != "x509" {
		t.Errorf("%v", got)
	}
}
