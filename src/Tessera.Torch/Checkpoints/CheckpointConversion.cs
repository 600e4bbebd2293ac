namespace Tessera.Checkpoints;

/// <summary>Between tensors of files and tensors of the engine.</summary>
public static class CheckpointConversion
{
    /// <summary>
    /// A tensor of the engine with a copy of the values, row-major, in the file's type; dimensions that repeat one element in the file
    /// stay expanded.
    /// </summary>
    /// <exception cref="CheckpointException">The tensor cannot be read; see <see cref="CheckpointTensor.Refusal"/>.</exception>
    public static Tensor ToTensor(this CheckpointTensor source)
    {
        var packed = source.WithoutRepetition();
        var tensor = Torch.Empty(packed.Shape.ToArray(), packed.DType);
        packed.CopyTo(tensor);
        return packed.Count == source.Count ? tensor : tensor.Expand(source.Shape.ToArray());
    }

    /// <summary>Copies the values into a tensor of the same shape; its type and device are converted to.</summary>
    internal static unsafe void CopyTo(this CheckpointTensor source, Tensor target)
    {
        if (target.Device == Device.Cpu && target.DType == source.DType && target.IsContiguous)
        {
            source.CopyTo((byte*)target.Info.Data, target.Bytes);
            GC.KeepAlive(target);
            return;
        }
        using var scope = new Scope();
        target.Copy_(source.ToTensor());
    }

    /// <summary>Copies the values of an open file into a module's tensors by name, without a copy in between.</summary>
    /// <param name="module">The module to fill.</param>
    /// <param name="state">Values by name, converted to the types and devices of the module's tensors.</param>
    /// <param name="strict">Whether missing and unexpected names are errors. Different shapes always are.</param>
    /// <returns>The missing and the unexpected names.</returns>
    /// <exception cref="StateDictException">Names or shapes differ; the message lists them all, and the module is unchanged.</exception>
    /// <exception cref="CheckpointException">
    /// The engine lacks a tensor's element type, or a tensor is damaged; the tensors before it have been copied.
    /// </exception>
    public static StateDictReport LoadStateDict(
        this Module module,
        IReadOnlyDictionary<string, CheckpointTensor> state,
        bool strict = true
    ) => module.LoadStateDict(state, strict, tensor => new Shape(tensor.Shape), (tensor, value) => value.CopyTo(tensor));

    /// <summary>All tensors of a state dict, converted one by one; they belong to the current scope.</summary>
    /// <param name="source">The tensors of a file.</param>
    /// <param name="stop">Ends the work between two tensors.</param>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was signalled.</exception>
    public static OrderedDictionary<string, Tensor> ToTensors(
        this IEnumerable<KeyValuePair<string, CheckpointTensor>> source,
        CancellationToken stop = default
    )
    {
        var result = new OrderedDictionary<string, Tensor>();
        foreach (var (name, tensor) in source)
        {
            stop.ThrowIfCancellationRequested();
            result.Add(name, tensor.ToTensor());
        }
        return result;
    }

    /// <summary>
    /// A tensor's values for a file, row-major: the tensor's own memory if it is contiguous on the CPU, else a copy in the current scope.
    /// </summary>
    public static CheckpointTensor ToCheckpoint(this Tensor source)
    {
        var dense = source.Detach().To(device: Device.Cpu).Contiguous();
        return CheckpointTensor.View(
            "(in memory)",
            CheckpointStorage.Of(dense),
            new ElementType(dense.DType),
            0,
            dense.Shape.ToArray(),
            CheckpointTensor.RowMajor(dense.Shape)
        );
    }

    /// <summary>All tensors for a file; see <see cref="ToCheckpoint(Tensor)"/> for how long they are valid.</summary>
    public static IEnumerable<KeyValuePair<string, CheckpointTensor>> ToCheckpoint(this IEnumerable<KeyValuePair<string, Tensor>> source) =>
        source.Select(e => KeyValuePair.Create(e.Key, e.Value.ToCheckpoint()));
}
