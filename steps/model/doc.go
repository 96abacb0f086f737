// Package model knows what a model's directory holds and how a release of it
// is named: which models a push changed, which manifest deploys a model, and
// which releases a promotion brought to an environment.
//
// A model is a directory under a repository's models directory that has a
// Makefile. Its manifests are in its charts directory.
package model
