// Package seldonclient asks models for predictions over the protocols that
// Seldon Core serves: Seldon's own over REST and gRPC, V2 (Open Inference) over
// REST and gRPC, and TensorFlow's over REST; directly, or through the
// addresses that Ambassador and Istio give a SeldonDeployment.
//
// A [Client] sends one [Call] at a time and returns the [Answer] as it came,
// without judging it: HTTP status 500 is an answer. Only when no whole answer
// came is there an error, a [*TransportError]. [Answer.Message] reads the
// payload into one form for all protocols.
package seldonclient
