package clientport

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// Throttle limits new connections by tokens that fill up over time; near
// exhaustion connections are dropped with growing probability
// (BlueThrottle of Apache's server). The zero Throttle lets everything pass.
type Throttle struct {
	MaxTokens     int
	FillTime      time.Duration
	FillCount     int
	FreezeTime    time.Duration // between changes of the probability; < 0 = off
	DropIncrease  float64
	DropDecrease  float64
	DecreaseRatio float64
	Weights       bool
	NewWeight     int // tokens of a new session
	RenewWeight   int // tokens of a resumed one

	mu      sync.Mutex
	tokens  int
	filled  time.Time
	frozen  time.Time
	drop    float64
	deficit atomic.Int64
}

// Take takes the tokens of one connect request, or refuses it.
func (t *Throttle) Take(connect []byte) bool {
	if t == nil || t.MaxTokens <= 0 {
		return true
	}
	need := 1
	if t.Weights {
		var q wire.ConnectRequest
		d := jute.NewDecoder(connect)
		if q.Decode(&d); q.SessionID != 0 {
			need = t.RenewWeight
		} else {
			need = t.NewWeight
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.fill(now)
	t.adjust(now)
	if t.tokens < need || t.drop > 0 && rand.Float64() < t.drop {
		return false
	}
	t.tokens -= need
	t.deficit.Store(int64(t.MaxTokens - t.tokens))
	return true
}

func (t *Throttle) fill(now time.Time) {
	if t.filled.IsZero() {
		t.filled, t.tokens = now, t.MaxTokens
		return
	}
	if t.FillTime <= 0 {
		return
	}
	if n := int(now.Sub(t.filled) / t.FillTime); n > 0 {
		t.tokens = min(t.tokens+n*t.FillCount, t.MaxTokens)
		t.filled = t.filled.Add(time.Duration(n) * t.FillTime)
	}
}

// adjust raises the drop probability while tokens are short and lowers it
// while there are enough, at most once in FreezeTime.
func (t *Throttle) adjust(now time.Time) {
	if t.FreezeTime < 0 || now.Sub(t.frozen) < t.FreezeTime {
		return
	}
	t.frozen = now
	switch {
	case t.tokens == 0:
		t.drop = min(t.drop+t.DropIncrease, 1)
	case float64(t.tokens) > t.DecreaseRatio*float64(t.MaxTokens):
		t.drop = max(t.drop-t.DropDecrease, 0)
	}
}

// DropProbability returns the present probability of a refusal, 0 to 1.
func (t *Throttle) DropProbability() float64 {
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.drop
}

// Deficit returns how many tokens were missing after the last connection.
func (t *Throttle) Deficit() int64 {
	if t == nil {
		return 0
	}
	return t.deficit.Load()
}
