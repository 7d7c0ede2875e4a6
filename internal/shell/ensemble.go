package shell

import (
	"context"
	"strconv"
	"strings"

	"zooid/zk"
)

func showConfig(ctx context.Context, s *Shell, a *arguments) error {
	var data []byte
	var st zk.Stat
	var err error
	if a.has("w") {
		data, st, _, err = s.client.GetConfigW(ctx)
	} else {
		data, st, err = s.client.GetConfig(ctx)
	}
	if err != nil {
		return err
	}
	text := "null"
	if data != nil {
		text = string(data)
	}
	if a.has("c") {
		text, err = s.clientAddresses(text)
		if err != nil {
			return err
		}
	}
	s.console.printf("%s\n", text)
	if a.has("s") {
		s.console.stat(st)
	}
	return nil
}

// clientAddresses makes "version host:port,host:port" of a configuration:
// what a client puts into its connect string.
func (s *Shell) clientAddresses(text string) (string, error) {
	entries, err := s.env.Properties([]byte(text))
	if err != nil {
		return "", err
	}
	version, addrs := "", []string{}
	for _, kv := range entries {
		key, value := strings.TrimSpace(kv[0]), strings.TrimSpace(kv[1])
		switch {
		case key == "version":
			version = value
		case strings.HasPrefix(key, "server."):
			if addr := clientAddress(value); addr != "" {
				addrs = append(addrs, addr)
			}
		}
	}
	return version + " " + strings.Join(addrs, ","), nil
}

// clientAddress finds the client part of "host:port:port[:role];[host:]port".
func clientAddress(server string) string {
	i := strings.LastIndexByte(server, ';')
	if i < 0 {
		return ""
	}
	addr := server[i+1:]
	if !strings.Contains(addr, ":") {
		addr = "0.0.0.0:" + addr
	}
	return addr
}

func reconfig(ctx context.Context, s *Shell, a *arguments) error {
	change, err := s.change(a)
	if err != nil {
		return err
	}
	data, st, err := s.client.Reconfig(ctx, change)
	if err != nil {
		return err
	}
	s.console.printf("Committed new configuration:\n%s\n", data)
	if a.has("s") {
		s.console.stat(st)
	}
	return nil
}

// change reads what a reconfig shall change.
func (s *Shell) change(a *arguments) (zk.Change, error) {
	change := zk.Change{From: zk.AnyConfig}
	whole := a.has("file") || a.has("members")
	partly := a.has("add") || a.has("remove")
	if !whole && !partly {
		return change, s.find("reconfig").usage()
	}
	if a.has("v") {
		var err error
		if change.From, err = strconv.ParseInt(a.values["v"], 16, 64); err != nil {
			return change, complain("-v must be followed by a long (configuration version)")
		}
	}
	switch {
	case whole && partly:
		return change, complain("Can't use -file or -members together with -add or -remove (mixing incremental" +
			" and non-incremental modes is not allowed)")
	case a.has("file") && a.has("members"):
		return change, complain("Can't use -file and -members together (conflicting non-incremental modes)")
	}
	change.Joining = strings.ToLower(a.values["add"])
	change.Leaving = strings.ToLower(a.values["remove"])
	change.Members = strings.ToLower(a.values["members"])
	if a.has("file") {
		name := a.values["file"]
		text, err := s.env.ReadFile(name)
		if err == nil {
			change.Members, err = s.env.Membership(name, text)
		}
		if err != nil {
			return change, complain("Error processing %s: %v", name, err)
		}
	}
	return change, nil
}

func showVersion(_ context.Context, s *Shell, a *arguments) error {
	if len(a.words) > 1 {
		return s.find("version").usage()
	}
	s.console.printf("ZooKeeper CLI version: %s\n", s.env.Version)
	return nil
}
