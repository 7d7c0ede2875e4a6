package shell

import (
	"context"
	"strings"

	"zooid/zk"
)

func addWatch(ctx context.Context, s *Shell, a *arguments) error {
	mode := zk.WatchRecursive
	if a.has("m") {
		switch strings.ToUpper(a.values["m"]) {
		case "PERSISTENT":
			mode = zk.WatchPersistent
		case "PERSISTENT_RECURSIVE":
		default:
			return s.find("addWatch").usage()
		}
	}
	if len(a.words) != 2 {
		return s.find("addWatch").usage()
	}
	w, err := s.client.AddWatch(ctx, a.words[1], mode)
	if err != nil {
		return err
	}
	go func() {
		// The handler of the client prints the events; here they are only
		// taken, until the watch or the session ends.
		for {
			if _, err := w.Next(context.Background()); err != nil {
				return
			}
		}
	}()
	return nil
}

func removeWatches(ctx context.Context, s *Shell, a *arguments) error {
	path, typ := a.words[1], zk.WatchTypeAny
	switch {
	case a.has("c"):
		typ = zk.WatchTypeChildren
	case a.has("d"):
		typ = zk.WatchTypeData
	case a.has("p"):
		typ = zk.WatchTypePersistent
	case a.has("r"):
		typ = zk.WatchTypeRecursive
	}
	if a.has("l") && !s.client.State().Connected() {
		return s.client.ForgetWatches(path, typ)
	}
	return s.client.RemoveWatches(ctx, path, typ)
}
