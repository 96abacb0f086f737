// Package vm boots a virtual machine that is a container image with a kernel in
// it. All of its processor is emulated, which takes ten times as long but works
// wherever QEMU does. It is for what the kernel of this machine cannot be asked
// for: the machine has a unified hierarchy of control groups, whatever this one has.
package vm
