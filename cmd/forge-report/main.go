// Command forge-report puts a status on a commit and a comment on its pull
// request.
package main

import (
	"github.com/model-delivery/model-delivery/steps/forge/report"
	"github.com/model-delivery/model-delivery/steps/step"
)

func main() { step.Main(report.Command()) }
