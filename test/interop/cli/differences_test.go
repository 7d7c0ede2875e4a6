package cli

import (
	"strings"
	"testing"
)

// differs lists the one-shot commands after which the shells differ on
// purpose, and why. In all of them Apache's shell dies of an exception with a
// stack trace or hides a failure; ours says what is wrong and exits as checked
// here.
var differs = map[string]string{
	"delete -v x /a":                "a stack trace of NumberFormatException",
	"set /a v -v x":                 "a stack trace of NumberFormatException",
	"setAcl -v x /a world:anyone:r": "a stack trace of NumberFormatException",
	"set -b /a !!!":                 "a stack trace of IllegalArgumentException",
	"addWatch a":                    "a stack trace of IllegalArgumentException",
	"addauth nosuchscheme x":        "ends before the answer and reports success",
	"redo x":                        "a stack trace of NumberFormatException",
}

// checkDifference sees to it that a listed difference is one for the better.
func checkDifference(t *testing.T, line, reason string, java, zooid result) {
	t.Helper()
	if strings.HasPrefix(reason, "a stack trace") && !strings.Contains(java.err, "Exception") {
		t.Errorf("%s: listed as a difference (%s), but java says:\n%s", line, reason, java.err)
	}
	if zooid.code != 1 || zooid.err == "" || strings.Contains(zooid.err, "Exception") || strings.Count(zooid.err, "\n") > 1 {
		t.Errorf("%s: exit code %d and no clear line:\n%s", line, zooid.code, zooid.err)
	}
}
