package storage

import (
	"bytes"

	"zooid/internal/wire"
)

// ahead reads transactions on a goroutine of its own, a stretch at a time, while
// others are being applied. It has the Txns until end returns.
type ahead struct {
	t     *Txns
	full  chan *stretch
	empty chan *stretch
	stop  chan struct{}
	done  chan struct{}
}

// stretch is some transactions, one after the other.
type stretch struct {
	entries []Entry
	files   []string // path of each one's file
	mem     []byte   // their bytes, as far as they fit
	file    string   // that is being read
	done    int64    // bytes of it
	size    int64
	err     error // why there is none behind them: io.EOF, or as Txns.Next has it
}

const (
	stretchTxns  = 512
	stretchBytes = 256 << 10
	stretches    = 3 // one is filled, one waits, one is applied
)

func readAhead(t *Txns) *ahead {
	a := &ahead{
		t: t, full: make(chan *stretch, stretches), empty: make(chan *stretch, stretches),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	for range stretches {
		a.empty <- newStretch()
	}
	go a.run()
	return a
}

func newStretch() *stretch {
	return &stretch{
		entries: make([]Entry, 0, stretchTxns), files: make([]string, 0, stretchTxns), mem: make([]byte, 0, stretchBytes),
	}
}

func (a *ahead) run() {
	defer close(a.done)
	for {
		select {
		case <-a.stop:
			return
		case s := <-a.empty:
			s.fill(a.t)
			a.full <- s
			if s.err != nil {
				return
			}
		}
	}
}

// end takes the Txns back.
func (a *ahead) end() {
	close(a.stop)
	<-a.done
}

func (s *stretch) fill(t *Txns) {
	s.entries, s.files, s.mem = s.entries[:0], s.files[:0], s.mem[:0]
	for n := 0; len(s.entries) < stretchTxns && n < stretchBytes; {
		e, err := t.Next()
		if err != nil {
			s.err = err
			return
		}
		s.file, s.done = t.File()
		s.size = t.cur.Size()
		s.add(e)
		n += len(e.Raw)
	}
}

// add keeps a copy of an entry.
func (s *stretch) add(e *Entry) {
	at := len(s.mem)
	raw := e.Raw
	if at+len(raw) <= cap(s.mem) {
		s.mem = append(s.mem, raw...)
		raw = s.mem[at:len(s.mem):len(s.mem)]
	} else {
		raw = bytes.Clone(raw)
	}
	s.entries = append(s.entries, *e)
	s.files = append(s.files, s.file)
	c := &s.entries[len(s.entries)-1]
	const head = wire.TxnHeaderSize // the body follows it
	c.Raw = raw
	c.Body = raw[head : head+len(e.Body) : head+len(e.Body)]
	if e.Digest != nil {
		c.Digest = &c.digest
	}
}
