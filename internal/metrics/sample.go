package metrics

import (
	"bytes"
	"math"
	"strconv"
)

// Sample is one number of a metric as mntr shows it, without the prefix "zk_".
type Sample struct {
	// Key is the name, as in "avg_readlatency".
	Key string
	// Int is the value, unless Fractional says that Float is.
	Int        int64
	Float      float64
	Fractional bool
}

func whole(key string, v int64) Sample { return Sample{Key: key, Int: v} }

func fraction(key string, v float64) Sample {
	return Sample{Key: key, Float: v, Fractional: true}
}

// AppendValue appends the value as Java prints it: a whole number plainly, a
// fraction by AppendDouble.
func (s Sample) AppendValue(to []byte) []byte {
	if s.Fractional {
		return AppendDouble(to, s.Float)
	}
	return strconv.AppendInt(to, s.Int, 10)
}

// AppendDouble appends v as Java's Double.toString does: the shortest digits
// that give v back, with at least one digit after the point, and in the form
// 1.0E7 from 10^7 upwards and below 10^-3.
func AppendDouble(to []byte, v float64) []byte {
	switch abs := math.Abs(v); {
	case math.IsNaN(v):
		return append(to, "NaN"...)
	case math.IsInf(v, 1):
		return append(to, "Infinity"...)
	case math.IsInf(v, -1):
		return append(to, "-Infinity"...)
	case v == 0 || abs >= 1e-3 && abs < 1e7:
		start := len(to)
		to = strconv.AppendFloat(to, v, 'f', -1, 64)
		if bytes.IndexByte(to[start:], '.') < 0 {
			to = append(to, ".0"...)
		}
		return to
	}
	var digits [32]byte
	mantissa, exponent, _ := bytes.Cut(strconv.AppendFloat(digits[:0], v, 'e', -1, 64), []byte("e"))
	to = append(to, mantissa...)
	if bytes.IndexByte(mantissa, '.') < 0 {
		to = append(to, ".0"...)
	}
	to = append(to, 'E')
	if exponent[0] == '-' {
		to = append(to, '-')
	}
	return append(to, bytes.TrimLeft(exponent[1:], "0")...)
}

// average returns sum/count rounded half up to four decimals, as
// AvgMinMaxCounter.getAvg does, or 0 without a count. Neither is negative.
func average(sum, count int64) float64 {
	if count <= 0 {
		return 0
	}
	v := float64(sum) / float64(count)
	// Only odd multiples of 1/32 lie exactly between two neighbours of four
	// decimals; strconv rounds those to even, Java rounds them up.
	if odd := v * 32; odd < 1<<40 && odd == math.Trunc(odd) && math.Mod(odd, 2) == 1 {
		return (math.Floor(v*1e4) + 1) / 1e4
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'f', 4, 64), 64)
	if err != nil {
		return v
	}
	return rounded
}
