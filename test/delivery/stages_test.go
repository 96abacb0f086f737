package delivery_test

import (
	"slices"
	"testing"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"

	"github.com/model-delivery/model-delivery/test/bundle"
	"github.com/model-delivery/model-delivery/test/delivery"
)

// What a delivery is followed by must be what the pipelines call it.
func TestStagesAreTasksOfThePipelines(t *testing.T) {
	t.Parallel()
	objects, err := bundle.Load("pipelines")
	if err != nil {
		t.Fatal(err)
	}
	pipelines := bundle.Of[pipelinev1.Pipeline](objects)
	for name, tasks := range map[string][]string{
		delivery.DeliveryPipeline: {
			delivery.UnitTest, delivery.Integration, delivery.PromoteStaging, delivery.WaitStaging,
			delivery.PredictStaging, delivery.PromoteProduction,
		},
		delivery.VerificationPipeline: {delivery.PredictProduction},
	} {
		pipeline := pipelines[name]
		if pipeline == nil {
			t.Errorf("there is no pipeline %s", name)
			continue
		}
		for _, task := range tasks {
			if !slices.ContainsFunc(pipeline.Spec.Tasks, func(t pipelinev1.PipelineTask) bool { return t.Name == task }) {
				t.Errorf("pipeline %s has no task %s", name, task)
			}
		}
	}
}
