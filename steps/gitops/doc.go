// Package gitops brings a model to an environment by changing the repository
// that the environment follows, and waits until the change is live.
//
// Promote copies the model's manifests, with images pinned by digest, into the
// environment's directory and lands that as one commit: pushed to the branch,
// or as a pull request. Nothing else in the repository changes. When somebody
// pushed meanwhile the change is made anew on top of theirs, never merged by
// text. The same call again has the same outcome, whatever a cut-off call left
// behind.
package gitops
