package config

import (
	"math"
	"strconv"
	"strings"

	"zooid/internal/properties"
)

// read turns the text of a value into what the type of the option says: bool,
// int, int64, float64, string or []string. A problem says why it cannot; a
// remark is worth a warning.
func (o *Option) read(value string) (v any, remark, problem string) {
	switch o.Type {
	case Bool:
		on := strings.EqualFold(value, "true")
		if !on && !strings.EqualFold(value, "false") {
			return nil, "", "not a boolean"
		}
		return on, "", ""
	case YesNo:
		v, remark = o.readYesNo(value)
		return v, remark, ""
	case Int, Long, Port:
		return o.readNumber(value)
	case Double:
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, "", "not a number"
		}
		return f, "", ""
	case Interval:
		ms, ok := readInterval(value)
		if !ok {
			return nil, "", "not an interval"
		}
		return ms, "", ""
	case Enum:
		for _, w := range o.Words {
			if strings.EqualFold(w, value) {
				return w, "", ""
			}
		}
		return nil, "", "not known"
	case List:
		return splitList(value), "", ""
	default:
		return value, "", ""
	}
}

// readYesNo reads as Java does: the word that is not the default must be
// written exactly, and anything else leaves the default.
func (o *Option) readYesNo(value string) (on bool, remark string) {
	other := "no"
	if o.Default == "no" {
		other = "yes"
	}
	if value != other && value != o.Default {
		remark = "only the exact word " + other + " changes it, so it stays " + o.Default + ", as in ZooKeeper"
	}
	return (value == other) == (other == "yes"), remark
}

// readNumber reads a whole number and holds it against the range.
func (o *Option) readNumber(value string) (v any, remark, problem string) {
	bits := 32
	if o.Type == Long {
		bits = 64
	}
	n, err := parseNumber(value, bits, o.Typed || o.decimal)
	if err != "" {
		return nil, "", err
	}
	if o.raise && n < o.Range.Min {
		n = o.Range.Min
		remark = "counts as " + strconv.FormatInt(n, 10) + ", the least that is allowed"
	}
	if r := o.bounds(); n < r.Min || n > r.Max {
		return nil, "", "out of range"
	}
	if o.Type == Long {
		return n, remark, ""
	}
	return int(n), remark, ""
}

// parseNumber reads a number as Integer.parseInt does, or, not decimal, as
// Integer.decode does, which Java uses for system properties: 0x, 0X and #
// before hexadecimal digits, a 0 before octal ones.
func parseNumber(value string, bits int, decimal bool) (n int64, problem string) {
	sign, digits, base := "", value, 10
	if !decimal {
		if strings.HasPrefix(digits, "-") || strings.HasPrefix(digits, "+") {
			sign, digits = digits[:1], digits[1:]
		}
		switch {
		case strings.HasPrefix(digits, "0x"), strings.HasPrefix(digits, "0X"):
			base, digits = 16, digits[2:]
		case strings.HasPrefix(digits, "#"):
			base, digits = 16, digits[1:]
		case strings.HasPrefix(digits, "0") && len(digits) > 1:
			base, digits = 8, digits[1:]
		}
		if strings.HasPrefix(digits, "-") || strings.HasPrefix(digits, "+") {
			return 0, "not a whole number"
		}
	}
	return properties.Number(sign+digits, base, bits)
}

// readInterval reads whole hours, as ZooKeeper 3.9 has them, or a number with
// a unit, as 3.10 has it, into milliseconds.
func readInterval(value string) (ms int64, ok bool) {
	units := []struct {
		suffix string
		ms     int64
	}{
		{"ms", 1}, {"s", 1000}, {"m", 60_000}, {"h", 3_600_000}, {"d", 86_400_000}, {"", 3_600_000},
	}
	for _, u := range units {
		if digits, found := strings.CutSuffix(value, u.suffix); found {
			n, problem := parseNumber(digits, 32, true)
			return n * u.ms, problem == ""
		}
	}
	return 0, false
}

// store puts a value into a field of Config.
func store(field, v any) {
	switch p := field.(type) {
	case *bool:
		*p = v.(bool)
	case *int:
		*p = v.(int)
	case *int64:
		if n, ok := v.(int); ok {
			*p = int64(n)
		} else {
			*p = v.(int64)
		}
	case *float64:
		*p = v.(float64)
	case *string:
		*p = v.(string)
	case *[]string:
		*p = v.([]string)
	default:
		panic("config: a field of a type that no option has")
	}
}
