// Package predict checks the predictions of a model that is deployed against a
// file of checks (package checks): single requests with their answers, labelled
// datasets, load, contracts, and comparisons with another deployment.
//
// A call that gets no answer is repeated a few times, and every repetition is
// counted and shown. A wrong answer is never asked for again.
package predict
