package seldon

import (
	"errors"
	"strings"

	"github.com/distribution/reference"
)

// CheckImage tells whether ref is an image reference that a node can pull.
func CheckImage(ref string) error {
	if ref == "" {
		return errors.New("is empty")
	}
	_, err := reference.ParseNormalizedNamed(ref)
	return err
}

// SameImage tells whether the image that runs is the one that was asked for:
// the same digest where both name one; else the same name and tag, where the one
// that runs may have a digest added to it (some clusters pin what they admit).
func SameImage(asked, runs string) bool {
	if asked == runs {
		return true
	}
	a, errA := reference.ParseNormalizedNamed(asked)
	r, errR := reference.ParseNormalizedNamed(runs)
	if errA != nil || errR != nil || a.Name() != r.Name() {
		return false
	}
	digestA, pinnedA := a.(reference.Digested)
	digestR, pinnedR := r.(reference.Digested)
	if pinnedA {
		return pinnedR && digestA.Digest() == digestR.Digest()
	}
	return tagOf(a) == tagOf(r)
}

func tagOf(named reference.Named) string {
	if tagged, ok := named.(reference.Tagged); ok {
		return tagged.Tag()
	}
	if _, ok := named.(reference.Digested); ok {
		return ""
	}
	return "latest"
}

// shortImage leaves out most of a digest, for messages.
func shortImage(ref string) string {
	name, digest, ok := strings.Cut(ref, "@sha256:")
	if !ok || len(digest) < 12 {
		return ref
	}
	return name + "@sha256:" + digest[:12] + "…"
}
