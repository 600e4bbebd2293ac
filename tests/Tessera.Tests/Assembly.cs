// Live tensors are counted in the whole process, so tests run one after another.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
