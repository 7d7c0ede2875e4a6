package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"zooid/test/interop/raw"
	"zooid/zk"
)

// errLost says that a connection was lost or refused.
var errLost = errors.New("connection lost")

// traveller is a client of frames, since it looks at what clients hide: the
// zxid of every answer, which never goes back within a session, wherever that
// moves, and the answer to closeSession, behind which the znodes of the session
// are gone for everybody.
type traveller struct {
	w       *world
	rng     *rand.Rand
	session raw.Session
	last    int64 // the highest zxid seen
	xid     int32
	c       *raw.Conn
}

const travellerName = "traveller"

func (w *world) travel(ctx context.Context) {
	w.did(travellerName)
	w.wait.Go(func() {
		rng := rand.New(rand.NewPCG(w.seed, 2000))
		for n := 0; ctx.Err() == nil; n++ {
			v := &traveller{w: w, rng: rng, session: raw.Session{Timeout: int32(w.timeout.Milliseconds()), Passwd: make([]byte, 16)}}
			err := v.live(ctx, fmt.Sprintf("/travellers/%d", n))
			if v.c != nil {
				v.c.Close()
			}
			if err != nil && !errors.Is(err, errLost) {
				w.t.Errorf("%s, session 0x%x: %v", travellerName, v.session.ID, err)
				return
			}
			rest(ctx, pace)
		}
	})
}

// live is one session: errLost says that it is over before its time.
func (v *traveller) live(ctx context.Context, path string) error {
	if err := v.arrive(ctx); err != nil {
		return err
	}
	if _, err := v.call(raw.OpCreate, raw.Create(path, nil, raw.World, 1)); err != nil {
		return err
	}
	for turns := 20 + v.rng.IntN(200); turns > 0 && rest(ctx, pace); turns-- {
		var err error
		switch v.rng.IntN(8) {
		case 0:
			v.c.Close()
			err = errLost
		case 1:
			_, err = v.call(raw.OpSetData, raw.SetData("/barrier-0", nil, -1))
		case 2:
			_, err = v.call(raw.OpSync, raw.Path("/"))
		case 3:
			_, err = v.call(raw.OpPing, nil)
		case 4:
			_, err = v.call(raw.OpSetData, raw.SetData("/barrier-0", nil, 1<<30)) // refused, and has a zxid too
		default:
			_, err = v.call(raw.OpGetData, raw.PathBool("/pair-a", false))
		}
		if errors.Is(err, errLost) {
			err = v.arrive(ctx)
		}
		if err != nil {
			return err
		}
		v.w.did(travellerName)
	}
	if _, err := v.call(raw.OpCloseSession, nil); err != nil {
		return err
	}
	return v.w.goneFor(path)
}

// arrive connects at whatever member takes the session.
func (v *traveller) arrive(ctx context.Context) error {
	for rest(ctx, pace) {
		member := v.w.e.Members()[v.rng.IntN(v.w.net.members)]
		c, err := raw.DialWithin(member.Addr(), 500*time.Millisecond)
		if err != nil {
			continue
		}
		timer := time.AfterFunc(v.w.timeout/2, c.Close)
		s, err := c.Handshake(raw.ConnectRequest{
			LastZxidSeen: v.last, Timeout: v.session.Timeout, SessionID: v.session.ID, Passwd: v.session.Passwd,
		})
		timer.Stop()
		switch {
		case err != nil:
			c.Close()
		case s.Timeout <= 0:
			c.Close()
			return errLost // expired
		default:
			v.session, v.c = s, c
			c.CountFrom(v.xid)
			return nil
		}
	}
	return errLost
}

// call is one request and the check of its answer's zxid.
func (v *traveller) call(op int32, body raw.Bytes) (raw.Reply, error) {
	timer := time.AfterFunc(v.w.timeout/2, v.c.Close)
	defer timer.Stop()
	v.xid++
	r, err := v.c.Call(op, body)
	switch {
	case errors.Is(err, io.EOF):
		return r, errLost
	case err != nil:
		return r, err
	case r.Err == -112 || r.Err == -118: // expired, moved
		return r, errLost
	case r.Zxid < v.last:
		return r, fmt.Errorf("the answer to %s has zxid 0x%x, an earlier one had 0x%x", raw.OpName(op), r.Zxid, v.last)
	}
	v.last = r.Zxid
	return r, nil
}

// goneFor demands that a znode is gone for a session that has written since.
func (w *world) goneFor(path string) error {
	ctx, cancel := operation()
	defer cancel()
	c, err := zk.Dial(ctx, w.e.ClientAddrs(), w.options()...)
	if err != nil {
		return errLost
	}
	defer c.Close()
	if _, err := c.Set(ctx, "/barrier-0", nil, zk.AnyVersion); err != nil {
		return errLost
	}
	there, stat, err := c.Exists(ctx, path)
	if err == nil && there {
		return fmt.Errorf("%s is there (owner 0x%x) though its session was closed", path, stat.EphemeralOwner)
	}
	return nil
}
