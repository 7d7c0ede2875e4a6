package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// writer is a client that writes one znode without a pause, one request in
// flight. When its connection breaks it moves on at once, with its session, to
// the next server that takes it.
type writer struct {
	addrs   []string
	home    int // index of the server that it begins at
	session wire.ConnectResponse
	zxid    int64
	path    string
	data    []byte

	mu   sync.Mutex
	acks []time.Time // of each acknowledged write
	last error       // why the newest attempt to connect failed
}

// writersPerServer is how many writers begin at each server.
const writersPerServer = 4

// connectLimit bounds an attempt to get a session at one server.
const connectLimit = 3 * time.Second

// startWriters starts writers at all members, each with a znode of its own, and
// returns them and what stops them.
func startWriters(ctx context.Context, e *ensemble) ([]*writer, func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var all []*writer
	for i := range writersPerServer * len(e.members) {
		w := &writer{addrs: e.addrs(), home: i % len(e.members), path: fmt.Sprintf("/writer-%d", i), data: make([]byte, 100)}
		all = append(all, w)
		wg.Go(func() { w.run(ctx) })
	}
	return all, func() {
		cancel()
		wg.Wait()
	}
}

// run writes until the context ends.
func (w *writer) run(ctx context.Context) {
	at := w.home
	for ctx.Err() == nil {
		nc, err := w.connect(ctx, w.addrs[at%len(w.addrs)])
		if err != nil {
			w.mu.Lock()
			w.last = err
			w.mu.Unlock()
			if at++; at%len(w.addrs) == w.home {
				// None took it: a moment's rest, or refused dials take the processors
				// that the servers need for their election.
				pause(ctx, time.Millisecond)
			}
			continue
		}
		stop := context.AfterFunc(ctx, func() { nc.Close() })
		_ = w.write(nc)
		stop()
		nc.Close()
		at++
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// connect gets a connection for the session, or a new session if there is none
// or it is over.
func (w *writer) connect(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: connectLimit}
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := w.greet(nc); err != nil {
		nc.Close()
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	return nc, nil
}

func (w *writer) greet(nc net.Conn) error {
	_ = nc.SetDeadline(time.Now().Add(connectLimit))
	r := wire.ConnectRequest{TimeOut: 30000, LastZxidSeen: w.zxid, SessionID: w.session.SessionID, Passwd: w.session.Passwd, HasReadOnly: true}
	if r.Passwd == nil {
		r.Passwd = make([]byte, 16)
	}
	if _, err := nc.Write(framed(r.Append(make([]byte, 4)))); err != nil {
		return err
	}
	f, err := readFrame(nc, nil)
	if err != nil {
		return err
	}
	var answer wire.ConnectResponse
	dec := jute.NewDecoder(f)
	answer.Decode(&dec)
	if answer.TimeOut <= 0 {
		w.session = wire.ConnectResponse{}
		return errors.New("the session is over")
	}
	w.session = answer
	w.session.Passwd = append([]byte(nil), answer.Passwd...)
	_ = nc.SetDeadline(time.Time{})
	return nil
}

// framed puts the length into the four bytes that b begins with.
func framed(b []byte) []byte {
	jute.PutInt(b, int32(len(b)-4))
	return b
}

func readFrame(r io.Reader, buf []byte) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n > 1<<20 {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	if n > cap(buf) {
		buf = make([]byte, n)
	}
	_, err := io.ReadFull(r, buf[:n])
	return buf[:n], err
}

// write makes the znode and then sets it, over and over, until something
// fails.
func (w *writer) write(nc net.Conn) error {
	var out, in []byte
	create := wire.CreateRequest{Path: []byte(w.path), Data: w.data, ACL: wire.OpenACL}
	set := wire.SetDataRequest{Path: []byte(w.path), Data: w.data, Version: -1}
	for xid := int32(1); ; xid++ {
		h := wire.RequestHeader{Xid: xid, Type: wire.OpSetData}
		if xid == 1 {
			h.Type = wire.OpCreate
		}
		out = h.Append(append(out[:0], 0, 0, 0, 0))
		if xid == 1 {
			out = create.Append(out)
		} else {
			out = set.Append(out)
		}
		if _, err := nc.Write(framed(out)); err != nil {
			return err
		}
		var err error
		if in, err = readFrame(nc, in); err != nil {
			return err
		}
		var reply wire.ReplyHeader
		d := jute.NewDecoder(in)
		reply.Decode(&d)
		if reply.Xid != xid || reply.Err != wire.CodeOK && (xid != 1 || reply.Err != wire.CodeNodeExists) {
			return fmt.Errorf("the answer to %d is %d, %w", xid, reply.Xid, reply.Err)
		}
		w.zxid = max(w.zxid, reply.Zxid)
		if reply.Err == wire.CodeOK {
			w.mu.Lock()
			w.acks = append(w.acks, time.Now())
			w.mu.Unlock()
		}
	}
}

// since counts the writes that were acknowledged after a moment.
func (w *writer) since(t time.Time) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for i := len(w.acks) - 1; i >= 0 && w.acks[i].After(t); i-- {
		n++
	}
	return n
}
