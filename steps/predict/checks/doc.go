// Package checks reads files of prediction checks. What is wrong in one is
// reported with file, line and column, all of it at once, without any network.
package checks
