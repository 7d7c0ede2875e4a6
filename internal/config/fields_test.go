package config_test

import (
	"reflect"
	"strings"
	"testing"

	"zooid/internal/config"
)

// field looks up a field of Config by its path, such as Quorum.InitLimitTicks.
func field(t *testing.T, c *config.Config, path string) any {
	t.Helper()
	v := reflect.ValueOf(c).Elem()
	for _, name := range strings.Split(path, ".") {
		v = reflect.Indirect(v).FieldByName(name)
		if !v.IsValid() {
			t.Fatalf("Config has no field %s", path)
		}
	}
	return v.Interface()
}
