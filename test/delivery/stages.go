package delivery

// The pipelines of the bundle.
const (
	DeliveryPipeline     = "model-delivery"
	VerificationPipeline = "model-verification"
)

// The tasks of the delivery, by the names that they have in its pipeline.
const (
	UnitTest          = "unit-test"
	Integration       = "integration"
	PromoteStaging    = "promote-staging"
	WaitStaging       = "wait-staging"
	PredictStaging    = "predict-staging"
	PromoteProduction = "promote-production"
)

// PredictProduction is the task of the verification that checks predictions.
const PredictProduction = "predict"
