package harness

import (
	"io"
	"net"
	"regexp"
	"strings"
	"time"
)

// FourLetter sends one four-letter word to addr and returns the whole answer.
func FourLetter(addr, word string) (string, error) {
	return fourLetter(addr, word, 10*time.Second)
}

func fourLetter(addr, word string, patience time.Duration) (string, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, word); err != nil {
		return "", err
	}
	out, err := io.ReadAll(c)
	return string(out), err
}

// FourLetter asks the server one four-letter word; an error is the empty text.
func (s *Server) FourLetter(word string) string {
	out, err := FourLetter(s.Addr(), word)
	if err != nil {
		return ""
	}
	return out
}

var zxidLine = regexp.MustCompile(`(?m)^Zxid: (0x[0-9a-f]+)$`)

// Zxid is the last processed zxid as `srvr` shows it ("0x1f"), empty when the
// server does not answer.
func (s *Server) Zxid() string {
	if m := zxidLine.FindStringSubmatch(s.FourLetter("srvr")); m != nil {
		return m[1]
	}
	return ""
}

// Metric is the value of one line of `mntr`, empty when there is none.
func (s *Server) Metric(key string) string {
	for _, line := range strings.Split(s.FourLetter("mntr"), "\n") {
		if k, v, ok := strings.Cut(line, "\t"); ok && k == key {
			return v
		}
	}
	return ""
}
