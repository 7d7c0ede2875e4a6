package sasl

import (
	"reflect"
	"strings"
	"testing"
)

func properties(name string) (string, bool) {
	value, ok := map[string]string{"pw": "from-property", "empty": ""}[name]
	return value, ok
}

func TestParseJAAS(t *testing.T) {
	const text = `
/* the servers' users,
   and this is a comment of two lines */
Server { // behind a brace
    org.apache.zookeeper.server.auth.DigestLoginModule required
    user_super="adminsecret"
    user_bob = bobsecret  / one slash is enough
    "user_with space"="q\"uote\\ \t\101\x"
    user_p="a${pw}b${/}c${{kept}}${open"
    user_empty="";
};
Client{org.apache.zookeeper.server.auth.DigestLoginModule required username=bob password="bob""";};
Empty {};
Two { A sufficient x=1y; B.c optional; };
`
	_, err := ParseJAAS([]byte(text), properties)
	if err == nil || !strings.Contains(err.Error(), "line 12") {
		t.Fatalf("a text in quotes behind another: %v", err)
	}
	fixed := strings.NewReplacer(`"bob"""`, `"bob"`, "x=1y", "x=y1").Replace(text)
	sections, err := ParseJAAS([]byte(fixed), properties)
	if err != nil {
		t.Fatal(err)
	}
	users := map[string]string{
		"super": "adminsecret", "bob": "bobsecret", "with space": "q\"uote\\ \tAx",
		"p": "afrom-propertyb/c${{kept}}${open", "empty": "",
	}
	if got := DigestUsers(sections["Server"]); !reflect.DeepEqual(got, users) {
		t.Errorf("users %q, want %q", got, users)
	}
	if user, password, ok := DigestLogin(sections["Client"]); !ok || user != "bob" || password != "bob" {
		t.Errorf("login %q, %q, %v", user, password, ok)
	}
	if _, _, ok := DigestLogin(sections["Server"]); ok {
		t.Error("a section without username has a login")
	}
	if m := sections["Server"][0]; m.Class != digestModule || m.Flag != "REQUIRED" || m.Line != 5 {
		t.Errorf("module %v", m)
	}
	if two := sections["Two"]; len(two) != 2 || two[0].Flag != "SUFFICIENT" || two[1].Class != "B.c" || two[1].Flag != "OPTIONAL" {
		t.Errorf("section Two: %v", two)
	}
	if empty, ok := sections["Empty"]; !ok || len(empty) != 0 {
		t.Errorf("section Empty: %v, %v", empty, ok)
	}
}

func TestParseJAASErrors(t *testing.T) {
	for text, want := range map[string]string{
		"Server":                              "line 1: expected { behind the name of a section, found the end",
		"{":                                   "line 1: expected { behind the name of a section, found the end",
		"\n\nServer {\n M required\n a=b\n}":  "line 6: expected an option, or the ; behind the last one, found '}'",
		"S { M required a=b; }":               "line 1: expected ; behind the } of a section, found the end",
		"S { M required a=b; };\rS { };":      "line 2: section \"S\" stands twice",
		`S { "" required; };`:                 `line 1: "" is the class of no login module`,
		"S { M maybe; };":                     `"maybe" stands where`,
		"S { M required a; };":                "expected = behind option 'a', found ';'",
		"S { M required user_bob=1234; };":    "expected the value of option 'user_bob', in quotes if it is not a plain word, found '1234'",
		"S { M required user_bob='secret'; }": "found '''",
		`S { M required a="${nosuch}"; };`:    "line 1: option 'a': the system property nosuch in ${} is not set",
		`S { M required a="${empty}"; };`:     "option 'a': the system property in its value is empty",
		`S { M required a="secret`:            "found the end of the file",
		`S { M required "secret" "secret";};`: "found a text in quotes",
		"S { M required a=-; };":              "found '-'",
		"S { M required a=b@c; };":            "found '@'",
		"S { M required a=b /* }; ":           "found the end",
	} {
		_, err := ParseJAAS([]byte(text), properties)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error shows a text in quotes: %v", text, err)
		}
	}
	for _, text := range []string{"", " \n", "// nothing", "/* nothing"} {
		if sections, err := ParseJAAS([]byte(text), properties); err != nil || len(sections) != 0 {
			t.Errorf("%q: %v, %v", text, sections, err)
		}
	}
}

func TestCheckModules(t *testing.T) {
	for class, want := range map[string]string{
		digestModule: "", kerberosModule: "Kerberos", "com.ibm.security.auth.module.Krb5LoginModule": "Kerberos", "x.Y": "x.Y",
	} {
		err := CheckModules("Server", []Module{{Class: class, Line: 7}})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", class, err)
		}
	}
}

// FuzzParseJAAS checks that any text is a file or an error with its line.
func FuzzParseJAAS(f *testing.F) {
	f.Add([]byte("S { M required a=\"\\1\\\\\" b=c; };"))
	f.Add([]byte("S { M required a=\"${pw}${{}}\" -1.5 '/*"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := ParseJAAS(text, properties); err != nil && !strings.HasPrefix(err.Error(), "line ") {
			t.Errorf("%q: %v names no line", text, err)
		}
	})
}
