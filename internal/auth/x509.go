package auth

import (
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"zooid/internal/wire"
)

// keyword is a type of RFC 2253 and its name.
type keyword struct {
	oid  asn1.ObjectIdentifier
	name string
}

// keywords are the types of RFC 2253 that Java writes by name; all others are
// written as numbers.
var keywords = []keyword{
	{asn1.ObjectIdentifier{2, 5, 4, 3}, "CN"}, {asn1.ObjectIdentifier{2, 5, 4, 7}, "L"},
	{asn1.ObjectIdentifier{2, 5, 4, 8}, "ST"}, {asn1.ObjectIdentifier{2, 5, 4, 10}, "O"},
	{asn1.ObjectIdentifier{2, 5, 4, 11}, "OU"}, {asn1.ObjectIdentifier{2, 5, 4, 6}, "C"},
	{asn1.ObjectIdentifier{2, 5, 4, 9}, "STREET"}, {asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, "DC"},
	{asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, "UID"},
}

// attribute is one type and value of a distinguished name.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// The sets of a name carry SET in their names, by which package asn1 knows them.
type relativeSET []attribute

// SubjectName returns the distinguished name of a certificate's subject, given
// as DER, as the id of the scheme x509: the text of Java's
// X500Principal.getName(), which is that of RFC 2253 but for characters beyond
// ASCII, which stay as they are.
func SubjectName(der []byte) (string, error) {
	var name []relativeSET
	if rest, err := asn1.Unmarshal(der, &name); err != nil || len(rest) > 0 {
		return "", fmt.Errorf("not a distinguished name: %x", der)
	}
	var parts []string
	for _, set := range slices.Backward(name) {
		var attributes []string
		for _, a := range set {
			attributes = append(attributes, a.text())
		}
		parts = append(parts, strings.Join(attributes, "+"))
	}
	return strings.Join(parts, ","), nil
}

// text is type=value. A value of a type without a name, or that is no text, is
// written in hexadecimal.
func (a *attribute) text() string {
	named := slices.IndexFunc(keywords, func(k keyword) bool { return k.oid.Equal(a.Type) })
	if named < 0 {
		return a.Type.String() + "=#" + hex.EncodeToString(a.Value.FullBytes)
	}
	switch a.Value.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagT61String, asn1.TagIA5String, asn1.TagGeneralString, asn1.TagBMPString:
		return keywords[named].name + "=" + escaped(wire.JavaText(a.Value.Bytes))
	}
	return keywords[named].name + "=#" + hex.EncodeToString(a.Value.FullBytes)
}

// escaped has a backslash in front of what has a meaning in a name, and of blanks
// at either end.
func escaped(value string) string {
	end := len(strings.TrimRight(value, " \r"))
	start := len(value) - len(strings.TrimLeft(value, " \r"))
	var b strings.Builder
	for i, c := range value {
		switch {
		case c == 0:
			b.WriteString(`\00`)
			continue
		case strings.ContainsRune(",=+<>#;\"\\", c), (i < start || i >= end) && (c == ' ' || c == '\r'):
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}
