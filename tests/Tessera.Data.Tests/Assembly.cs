// The count of live tensors is one for the whole process: tests that watch it must be alone.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
