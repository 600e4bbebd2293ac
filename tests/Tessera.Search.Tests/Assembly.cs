// Kernels are chosen for the whole process, so tests run one after another.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
