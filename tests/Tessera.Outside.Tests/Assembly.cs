// Live tensors and the registry belong to the whole process, so tests run one after another.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
