package kind

import (
	"strings"
	"testing"
	"time"
)

func TestExpiringNames(t *testing.T) {
	t.Parallel()
	for _, owner := range []string{"1f0c6f5e-6a0e-4a4b-8a39-0a5f2f0d7c11", "news_classifier", "A Model", "", strings.Repeat("-x", 40)} {
		expires := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
		name := ExpiringName(DefaultPrefix, owner, expires)
		if err := (Target{Name: name}).check(); err != nil {
			t.Errorf("%q: %v", owner, err)
		}
		got, ok := Expiry(name)
		if late := got.Sub(expires); !ok || late < 0 || late > time.Minute {
			t.Errorf("%s expires at %s, %t; want %s", name, got, ok, expires)
		}
		if again := ExpiringName(DefaultPrefix, owner, expires); again == name {
			t.Errorf("two runs of %q have the same name %s", owner, name)
		}
	}
}

func TestNamesThatDoNotExpire(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "kind", "it-news", "it-news-x", "it-news-x1", "it-news-xABCDE", "it-news-x12345678", "it-news-x12345-more",
		"it-ubuntu-xenial", "it-news-x13kd8b", "it-news-1f0g-xhvk2a", "it-ubuntu-cafe-xenial", "it-news-1f0c-x10000", "it-news-1f0c-xhvk2a0", "-1f0c-xhvk2a"} {
		if expires, ok := Expiry(name); ok {
			t.Errorf("%q expires at %s", name, expires)
		}
	}
}
