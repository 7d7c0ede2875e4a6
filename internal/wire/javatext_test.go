package wire

import "testing"

func TestJavaText(t *testing.T) {
	const bad = "\ufffd"
	for in, want := range map[string]string{
		"ok \u4e2d":              "ok \u4e2d",
		"\xff\xff":               bad + bad,
		"\xc3(":                  bad + "(",
		"\xe4\xb8":               bad,
		"\xe4\xb8x":              bad + "x",
		"\xf0\x9f\x98x":          bad + "x",
		"\xf0\x9f\x98":           bad,
		"\xed\xa0\x80":           bad,
		"\xe0\x80\x80":           bad + bad + bad,
		"\xf4\x90\x80\x80":       bad + bad + bad + bad,
		"a\x80b\xc0\xafc\xf8":    "a" + bad + "b" + bad + bad + "c" + bad,
		"\x00\x00\x00\x05/\x00a": "\x00\x00\x00\x05/\x00a",
	} {
		if got := JavaText([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
