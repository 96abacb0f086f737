package setup

import (
	"fmt"
	"runtime/debug"

	"github.com/model-delivery/model-delivery/steps/step"
)

// guarded does something for an entry and turns a panic into an error of that
// entry. Entries are worked on in goroutines of their own, where nobody else
// would catch it. classify says what a panic means there: Helm and kustomize
// have some on files that are odd enough.
func guarded(entry string, classify func(error) error, do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = classify(fmt.Errorf("entry %s: internal error: %v\n%s", entry, p, debug.Stack()))
		}
	}()
	return do()
}

// oddInput is what a panic means where nothing but an entry's files is worked on.
func oddInput(err error) error {
	return step.WithHint(step.Invalid(err), "something in the entry's chart, kustomization or values is read by Helm's or kustomize's library in a way that it cannot stand")
}
