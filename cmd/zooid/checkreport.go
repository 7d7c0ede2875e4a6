package main

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"zooid/internal/config"
)

// A serverSummary is what a server would do with a configuration. Times are in
// milliseconds and sizes in what their names say.
type serverSummary struct {
	ClientPort    int    `json:"clientPort"` // -1: none
	ClientAddress string `json:"clientAddress"`
	SecurePort    int    `json:"secureClientPort"` // -1: none
	SecureAddress string `json:"secureClientAddress"`
	Unified       bool   `json:"portUnification"` // of the client port
	DataDir       string `json:"dataDir"`
	DataLogDir    string `json:"dataLogDir"`
	ServerID      int64  `json:"serverId"` // -1: none
	Voters        int    `json:"voters"`
	Observers     int    `json:"observers"`

	TickTimeMs          int `json:"tickTimeMs"`
	MinSessionTimeoutMs int `json:"minSessionTimeoutMs"`
	MaxSessionTimeoutMs int `json:"maxSessionTimeoutMs"`

	SnapCount           int    `json:"snapCount"`
	SnapSizeLimitKB     int64  `json:"snapSizeLimitKB"`
	SnapshotCompression string `json:"snapshotCompression"`
	ForceSync           bool   `json:"forceSync"`
	PurgeIntervalMs     int64  `json:"purgeIntervalMs"`
	SnapRetainCount     int    `json:"snapRetainCount"`

	MaxClientCnxns         int `json:"maxClientCnxns"`
	MaxCnxns               int `json:"maxCnxns"`
	JuteMaxBufferBytes     int `json:"juteMaxBufferBytes"`
	GlobalOutstandingLimit int `json:"globalOutstandingLimit"`

	FourLetterWords []string `json:"fourLetterWords"`
	SkipACL         bool     `json:"skipACL"`
	Schemes         []string `json:"schemes"`
	SuperUser       bool     `json:"superUser"`
	EnforcedSchemes []string `json:"enforcedSchemes"`

	// Members is what the connections to other members have, empty standalone.
	Members string `json:"members"`
}

func summarize(c *config.Config) serverSummary {
	s := serverSummary{
		ClientPort: c.ClientPort, ClientAddress: c.ClientPortAddress,
		SecurePort: c.SecureClientPort, SecureAddress: c.SecureClientPortAddress, Unified: c.ClientPortUnification,
		DataDir: c.DataDir, DataLogDir: c.DataLogDir, ServerID: c.ServerID,
		Voters: len(c.Members.Voters()), Observers: len(c.Members.Observers()),
		TickTimeMs: c.TickTimeMs, MinSessionTimeoutMs: c.MinSessionTimeoutMs, MaxSessionTimeoutMs: c.MaxSessionTimeoutMs,
		SnapCount: c.SnapCount, SnapSizeLimitKB: c.SnapSizeLimitKB, SnapshotCompression: c.SnapshotCompression,
		ForceSync: c.ForceSync, PurgeIntervalMs: c.AutopurgeIntervalMs, SnapRetainCount: c.AutopurgeSnapRetainCount,
		MaxClientCnxns: c.MaxClientCnxns, MaxCnxns: c.MaxCnxns,
		JuteMaxBufferBytes: c.JuteMaxBufferBytes, GlobalOutstandingLimit: c.GlobalOutstandingLimit,
		SkipACL: c.SkipACL, SuperUser: c.SuperDigest != "" || c.ServesTLS() && c.X509SuperUser != "" || c.SASL.SuperUser != "" || len(c.SASL.SuperUsers) > 0, Schemes: []string{"ip"}, EnforcedSchemes: []string{},
		FourLetterWords: []string{},
	}
	for _, word := range config.FourLetterWords() {
		if c.FourLetterAllowed(word) {
			s.FourLetterWords = append(s.FourLetterWords, word)
		}
	}
	if c.DigestAuthEnabled {
		s.Schemes = append(s.Schemes, "digest")
	}
	if c.ServesTLS() {
		s.Schemes = append(s.Schemes, "x509")
	}
	for _, p := range c.AuthProviders {
		if strings.HasSuffix(p.Value, ".SASLAuthenticationProvider") && !slices.Contains(s.Schemes, "sasl") {
			s.Schemes = append(s.Schemes, "sasl")
		}
	}
	if c.EnforceAuthEnabled {
		s.EnforcedSchemes = append(s.EnforcedSchemes, c.EnforceAuthSchemes...)
	}
	if c.Mode() == config.Distributed {
		s.Members = between(c)
	}
	return s
}

// between says what the connections between the members have.
func between(c *config.Config) string {
	q := &c.Quorum
	text := "plain"
	switch {
	case q.SSLQuorum && q.PortUnification:
		text = "TLS; plain ones are accepted too"
	case q.SSLQuorum:
		text = "TLS"
	case c.MembersTLS():
		text = "plain; TLS is accepted too"
	}
	switch {
	case !q.Auth.Enabled:
	case q.Auth.ServerRequired:
		text += "; SASL is required"
	case q.Auth.LearnerRequired:
		text += "; SASL where this server dials, not required of others"
	default:
		text += "; SASL is accepted, and not required of others"
	}
	return text
}

// text is the check for people.
func (c *configCheck) text() []byte {
	var b bytes.Buffer
	mode := "a standalone server"
	if c.Mode != config.Standalone.String() {
		mode = fmt.Sprintf("a member of an ensemble, %d voting servers and %d observers", c.Server.Voters, c.Server.Observers)
	}
	fmt.Fprintf(&b, "%s: %s\n\n", c.File, mode)
	for _, line := range c.Server.lines() {
		fmt.Fprintf(&b, "  %-18s %s\n", line.what, line.text)
	}
	list := func(title string, all []finding) {
		if len(all) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n%s\n", title)
		for _, f := range all {
			fmt.Fprintf(&b, "  - %s\n", f)
			if f.Advice != "" {
				fmt.Fprintf(&b, "      %s\n", f.Advice)
			}
		}
	}
	list("Refused", c.Refusals)
	list("Risks", c.Risks)
	list("Notes", c.Notes)
	fmt.Fprintf(&b, "\n%s\n", c.verdict())
	return b.Bytes()
}

func (c *configCheck) verdict() string {
	switch {
	case !c.Starts:
		return "A server would refuse to start: " + count(len(c.Refusals), "thing") + " to mend."
	case len(c.Risks) > 0:
		return "A server would start, with " + count(len(c.Risks), "risk") + "."
	default:
		return "Fine: a server would start."
	}
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

// String renders a finding without its advice.
func (f finding) String() string {
	e := config.Error{File: f.File, Line: f.Line, Key: f.Key, Value: f.Value, Text: f.Text}
	return e.Error()
}

// A summaryLine is one line about the server.
type summaryLine struct{ what, text string }

func (s *serverSummary) lines() []summaryLine {
	id := "none: there is no myid file, and a standalone server needs none"
	if s.ServerID != config.NoID {
		id = strconv.FormatInt(s.ServerID, 10) + ", from myid"
	}
	logs := s.DataLogDir
	if logs == s.DataDir {
		logs += ", with the data"
	}
	lines := []summaryLine{
		{"clients", s.clients()},
		{"server id", id},
		{"data", s.DataDir},
		{"transaction logs", logs + s.syncing()},
		{"session timeouts", fmt.Sprintf("%d to %d ms, counted in ticks of %d ms", s.MinSessionTimeoutMs, s.MaxSessionTimeoutMs, s.TickTimeMs)},
		{"snapshots", s.snapshots()},
		{"purge", s.purge()},
		{"connections", limit(s.MaxClientCnxns) + " from one address, " + limit(s.MaxCnxns) + " in all"},
		{"requests", fmt.Sprintf("up to %d bytes; no more are read when %d are under way", s.JuteMaxBufferBytes, s.GlobalOutstandingLimit)},
		{"four-letter words", strings.Join(s.FourLetterWords, " ")},
		{"access", s.access()},
	}
	if s.Members != "" {
		lines = append(lines, summaryLine{"members", s.Members})
	}
	return lines
}

func (s *serverSummary) clients() string {
	plain, secure := listening(s.ClientPort, s.ClientAddress), listening(s.SecurePort, s.SecureAddress)
	if s.Unified && plain != "" {
		plain += ", plain and TLS"
	}
	switch {
	case plain == "" && secure == "":
		return "no port: no client can connect"
	case secure == "":
		return plain
	case plain == "":
		return "TLS alone, " + secure
	}
	return plain + "; TLS " + secure
}

// listening says where a port is, "" if it is none.
func listening(port int, host string) string {
	where := "all addresses"
	if host != "" && host != "0.0.0.0" {
		where = host
	}
	switch port {
	case config.NoPort:
		return ""
	case 0:
		return "any free port on " + where
	}
	return "port " + strconv.Itoa(port) + " on " + where
}

func (s *serverSummary) syncing() string {
	if s.ForceSync {
		return "; each write is on the disk before it is acknowledged"
	}
	return "; writes are acknowledged before they are on the disk"
}

func (s *serverSummary) snapshots() string {
	text := fmt.Sprintf("after %d to %d transactions", s.SnapCount/2, s.SnapCount)
	if s.SnapSizeLimitKB > 0 {
		text += fmt.Sprintf(" or %s to %s of log", size(s.SnapSizeLimitKB/2), size(s.SnapSizeLimitKB))
	}
	if s.SnapshotCompression != "" {
		return text + ", compressed with " + s.SnapshotCompression
	}
	return text + ", not compressed"
}

// size renders kilobytes in the largest unit that leaves a short number.
func size(kb int64) string {
	switch {
	case kb >= 1<<20:
		return strconv.FormatFloat(float64(kb)/(1<<20), 'f', -1, 64) + " GiB"
	case kb >= 1<<10:
		return strconv.FormatFloat(float64(kb)/(1<<10), 'f', -1, 64) + " MiB"
	default:
		return strconv.FormatInt(kb, 10) + " KiB"
	}
}

func (s *serverSummary) purge() string {
	if s.PurgeIntervalMs <= 0 {
		return "never"
	}
	hours := float64(s.PurgeIntervalMs) / 3_600_000
	return fmt.Sprintf("at the start and every %s h, keeping %d snapshots and their logs",
		strconv.FormatFloat(hours, 'g', 4, 64), s.SnapRetainCount)
}

func limit(n int) string {
	if n <= 0 {
		return "any number"
	}
	return "up to " + strconv.Itoa(n)
}

func (s *serverSummary) access() string {
	text := "ACLs are checked"
	if s.SkipACL {
		text = "no ACL is checked"
	}
	text += "; schemes " + strings.Join(s.Schemes, ", ")
	if len(s.EnforcedSchemes) > 0 {
		text += "; one of " + strings.Join(s.EnforcedSchemes, ", ") + " is required"
	}
	if s.SuperUser {
		return text + "; with a super user"
	}
	return text + "; no super user"
}
