package config

import "testing"

func TestNearSetting(t *testing.T) {
	for _, test := range []struct {
		key  []string
		want string
	}{
		{[]string{"account", "provider", "ulr"}, "account.provider.url"},
		{[]string{"account", "chunksize"}, "account.chunk_size"},
		{[]string{"acount"}, "account"},
		{[]string{"account", "mirror", "intervall"}, "account.mirror.interval"},
		{[]string{"account", "provider", "colour_of_the_sky"}, ""},
		{[]string{"nothing", "url"}, ""},
		{[]string{"data", "path"}, ""},
		{nil, ""},
	} {
		if got := nearSetting(test.key); got != test.want {
			t.Errorf("%v: %q, want %q", test.key, got, test.want)
		}
	}
}
