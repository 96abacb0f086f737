// Package image makes a model's image with a docker daemon, from its Makefile,
// its Dockerfile or by source-to-image, and pushes the very image that was
// made or tested, telling its digest.
package image
