// Package modeltest serves a model, written as a Go function, over every
// protocol that seldonclient speaks, for tests of what asks models. It shares no
// code with the client, and can be brought to fail in the ways that servers,
// gateways and networks do: see [Fault].
package modeltest
