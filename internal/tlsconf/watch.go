package tlsconf

import (
	"os"
	"time"
)

// watchEvery is how often the files are looked at.
const watchEvery = time.Second

// Watch reads the stores again when their files, or those of their passwords,
// change, until done is closed. Stores that cannot be read change nothing: the
// old ones stay, and a line of the log says so. Connections that stand are not
// touched. It is called once.
func (c *Context) Watch(done <-chan struct{}) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			c.watcher.look()
		}
	}
}

// watcher is what Watch knows of the files.
type watcher struct {
	c      *Context
	seen   []os.FileInfo
	failed string // what was said of the last attempt; it is made again
}

func newWatcher(c *Context) *watcher {
	w := &watcher{c: c}
	w.seen = w.stat()
	return w
}

// stat looks at the files; behind a symbolic link, at where that leads.
func (w *watcher) stat() []os.FileInfo {
	s := &w.c.settings
	var infos []os.FileInfo
	for _, name := range []string{s.KeyStore.Location, s.KeyStore.PasswordPath, s.TrustStore.Location, s.TrustStore.PasswordPath} {
		info, err := os.Stat(name)
		if err != nil {
			info = nil
		}
		infos = append(infos, info)
	}
	return infos
}

// look reads the stores again if there is a reason to.
func (w *watcher) look() {
	now := w.stat()
	changed := false
	for i, info := range now {
		changed = changed || !same(info, w.seen[i])
	}
	w.seen = now
	if !changed && w.failed == "" {
		return
	}
	read, err := w.c.settings.load(os.ReadFile)
	switch {
	case err == nil:
		w.failed = ""
		w.c.stores.Store(read)
		w.c.log.Info("TLS stores read again", "keystore", w.c.settings.KeyStore.Location, "truststore", w.c.settings.TrustStore.Location)
	case err.Error() != w.failed:
		w.failed = err.Error()
		w.c.log.Error("changed TLS stores cannot be used: the ones before stay in use", "error", err)
	}
}

func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
