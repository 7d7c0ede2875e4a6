package clientport

import (
	"math"
	"math/rand/v2"
	"sync"
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
	FreezeTime    time.Duration // between changes of the probability; < 0 = never drop
	DropIncrease  float64
	DropDecrease  float64
	DecreaseRatio float64 // of MaxTokens: at most that many missing lowers the probability
	Weights       bool
	NewWeight     int // tokens of a new session
	RenewWeight   int // tokens of a resumed one

	// Now and Float64 replace the clock and the dice in tests.
	Now     func() time.Time
	Float64 func() float64

	mu      sync.Mutex
	started bool
	tokens  int
	filled  time.Time
	frozen  time.Time
	drop    float64
}

// Take takes the tokens of one connect request, or refuses it. deficit is how
// many tokens the bucket lacks then.
func (t *Throttle) Take(connect []byte) (deficit int64, ok bool) {
	if t == nil || t.MaxTokens <= 0 {
		return 0, true
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
	t.fill(t.now())
	if t.FreezeTime >= 0 && t.roll() < t.drop || t.tokens < need {
		return 0, false
	}
	t.tokens -= need
	return int64(t.MaxTokens - t.tokens), true
}

func (t *Throttle) now() time.Time {
	if t.Now != nil {
		return t.Now()
	}
	return time.Now()
}

func (t *Throttle) roll() float64 {
	if t.Float64 != nil {
		return t.Float64()
	}
	return rand.Float64()
}

// fill adds the tokens of the time that has passed since the last filling, in
// proportion, and then adjusts the drop probability. Times are compared in
// whole milliseconds, as in Java.
func (t *Throttle) fill(now time.Time) {
	if !t.started {
		t.started, t.filled, t.frozen, t.tokens = true, now, now, t.MaxTokens
	}
	passed, every := now.Sub(t.filled).Milliseconds(), t.FillTime.Milliseconds()
	if passed > every {
		n := int64(t.MaxTokens)
		if every > 0 {
			n = min(n, passed*int64(t.FillCount)/every)
		}
		t.tokens = min(t.tokens+int(n), t.MaxTokens)
		t.filled = now
	}
	if t.FreezeTime >= 0 && now.Sub(t.frozen).Milliseconds() > t.FreezeTime.Milliseconds() {
		t.frozen = now
		t.adjust()
	}
}

// adjust raises the drop probability while there is no token at all and
// lowers it while few enough are missing.
func (t *Throttle) adjust() {
	switch {
	case t.tokens == 0 && t.drop < 1:
		t.drop = min(t.drop+t.DropIncrease, 1)
	case t.MaxTokens-t.tokens <= int(math.Floor(float64(t.MaxTokens)*t.DecreaseRatio+0.5)):
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
