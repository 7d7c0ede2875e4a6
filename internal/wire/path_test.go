package wire

import "testing"

func TestValidPath(t *testing.T) {
	for p, want := range map[string]bool{
		"/": true, "/a": true, "/a/b.c/..d/...": true, "/zh-\u4e2d\u6587": true, "/a b": true, "/\ufeff": true,
		"": false, "a": false, "//": false, "/a/": false, "/a//b": false, "/.": false, "/a/..": false, "/./a": false,
		"/\x00": false, "/a\x01": false, "/\x7f": false, "/\u0085": false, "/\ue000": false, "/\ufff0": false,
		"/\U0001F600": false, "/\xff": false, "/\xed\xa0\x80": false,
	} {
		if got := ValidPath([]byte(p)); got != want {
			t.Errorf("ValidPath(%q) = %v", p, got)
		}
	}
}
