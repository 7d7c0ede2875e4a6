package config

import (
	"reflect"
	"strings"
	"testing"
)

// rows calls f with every row of the option table.
func rows(f func(*Option)) {
	for _, s := range sections {
		for i := range s.Options {
			f(&s.Options[i])
		}
	}
}

func TestTableIsSound(t *testing.T) {
	keys, properties := map[string]bool{}, map[string]bool{}
	rows(func(o *Option) {
		if keys[o.Key] {
			t.Errorf("%s has two rows", o.Key)
		}
		keys[o.Key] = true
		for _, p := range o.properties() {
			if properties[p] {
				t.Errorf("the property %s belongs to two rows", p)
			}
			properties[p] = true
		}
		if !strings.HasSuffix(o.Doc, ".") {
			t.Errorf("%s: the doc is no sentence: %q", o.Key, o.Doc)
		}
		if o.Since == "" {
			t.Errorf("%s: no release", o.Key)
		}
		if explained := o.Status == NoEffect || o.Status == NotYet; explained != (o.Why != "") {
			t.Errorf("%s is %s and the reason is %q", o.Key, o.Status, o.Why)
		}
		if used := o.Status == Honoured || o.Status == Ensemble; used && !o.Family() && len(o.fields) == 0 {
			t.Errorf("%s is %s but fills no field", o.Key, o.Status)
		}
		if o.asks != nil && o.Status != NotYet {
			t.Errorf("%s is %s and yet asks for what is missing", o.Key, o.Status)
		}
		if o.raise && !o.Range.Set {
			t.Errorf("%s is raised to a bound that it has not", o.Key)
		}
	})
}

// TestEveryFieldHasARow finds fields of Config that no option fills.
func TestEveryFieldHasARow(t *testing.T) {
	c := new(Config)
	filled := map[uintptr]bool{}
	rows(func(o *Option) {
		for _, field := range o.fields {
			filled[reflect.ValueOf(field(c)).Pointer()] = true
		}
	})
	// Complete, the families and the reader of the files fill these.
	others := map[string]bool{"File": true, "ServerID": true, "Members": true, "LastSeen": true, "AuthProviders": true, "SuperUsers": true}
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		for i := range v.NumField() {
			f, name := v.Field(i), v.Type().Field(i).Name
			switch {
			case !v.Type().Field(i).IsExported() || others[name]:
			case f.Kind() == reflect.Struct:
				walk(f)
			case !filled[f.Addr().Pointer()]:
				t.Errorf("no option fills %s", name)
			}
		}
	}
	walk(reflect.ValueOf(c).Elem())
}

// TestDefaultsHold puts each default into a file, which must change nothing
// and must not be refused.
func TestDefaultsHold(t *testing.T) {
	rows(func(o *Option) {
		if o.computed || o.Family() || o.OnlyProperty || o.Default == "" {
			return
		}
		text := "dataDir=/data\nclientPort=2181\n" + o.Key + "=" + o.Default + "\n"
		c, _, err := Parse("zoo.cfg", []byte(text), nil)
		if err != nil {
			t.Errorf("%s=%s: %v", o.Key, o.Default, err)
			return
		}
		plain, _, err := Parse("zoo.cfg", []byte("dataDir=/data\nclientPort=2181\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range o.fields {
			if got, want := reflect.ValueOf(field(c)).Elem(), reflect.ValueOf(field(plain)).Elem(); !reflect.DeepEqual(got.Interface(), want.Interface()) {
				t.Errorf("%s=%s gives %v, not set %v", o.Key, o.Default, got, want)
			}
		}
	})
}

// TestEveryOptionIsRead sets each option to something else than its default,
// in the file and as a property, and looks at its field.
func TestEveryOptionIsRead(t *testing.T) {
	const basics = "dataDir=/data\nclientPort=2181\nmaxSessionTimeout=999999\nserver.1=a:2888:3888\n"
	rows(func(o *Option) {
		if len(o.fields) == 0 || o.Range.Set && o.Range.Min == o.Range.Max || o.Type == Class {
			return
		}
		value, file := another(o), basics
		if o.Key == "dynamicConfigFile" {
			file = strings.ReplaceAll(file, "server.1", "#")
		}
		file += needs[o.Key]
		check := func(way string, c *Config, err error) {
			if err != nil {
				t.Errorf("%s=%s %s: %v", o.Key, value, way, err)
				return
			}
			want, _, _ := o.read(value)
			got := reflect.ValueOf(o.fields[0](c)).Elem().Interface()
			if n, ok := got.(int64); ok && o.Type == Int {
				got = int(n)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s=%s %s gives %v", o.Key, value, way, got)
			}
		}
		if !o.OnlyProperty {
			c, _, err := Parse("zoo.cfg", []byte(file+o.Key+"="+value), nil)
			check("in the file", c, err)
		}
		if p := o.Property(); p != "" {
			c, _, err := Parse("zoo.cfg", []byte(file), []Property{{p, value}})
			check("as -D"+p, c, err)
		}
	})
}

// needs are the lines without which an option is refused, or does not count.
var needs = map[string]string{
	"sessionRequireClientSASLAuth":   "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n",
	"quorum.auth.learnerRequireSasl": "quorum.auth.enableSasl=true\n",
	"quorum.auth.serverRequireSasl":  "quorum.auth.enableSasl=true\nquorum.auth.learnerRequireSasl=true\n",
	"enforce.auth.enabled":           "enforce.auth.schemes=ip\n",
	"secureClientPort":               stores,
	"secureClientPortAddress":        stores + "secureClientPort=2281\n",
	"client.portUnification":         stores + "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\n",
}

const stores = "ssl.keyStore.location=/etc/key.jks\nssl.trustStore.location=/etc/trust.jks\n"

// another is a value that is allowed and not the default.
func another(o *Option) string {
	switch o.Type {
	case Bool:
		if o.Default == "true" {
			return "FALSE"
		}
		return "True"
	case YesNo:
		if o.Default == "yes" {
			return "no"
		}
		return "yes"
	case Enum:
		return o.Words[len(o.Words)-1]
	case Double:
		return "0.125"
	case Int, Long, Port:
		return "7777"
	case Interval:
		return "36h"
	case Path:
		return "/elsewhere"
	default:
		return "super:other"
	}
}
