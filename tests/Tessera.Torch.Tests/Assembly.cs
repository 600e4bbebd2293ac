// The counter of live tensors belongs to the whole process: tests that assert it run one after another.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
