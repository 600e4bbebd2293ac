using System.Runtime.CompilerServices;

namespace Tessera;

/// <summary>
/// Runs a module without keeping what it computes on the way: the backward pass computes it once more from the inputs (Chen et
/// al., 2016, arXiv:1604.06174), with the random numbers and in the type of the first time, so that loss and gradients are the
/// same. Running statistics stay as the first pass left them.
/// </summary>
internal sealed class CheckpointFunction<TIn> : Function
{
    private readonly Module module;
    private readonly Func<TIn, Tensor> forward;
    private readonly object?[] parts; // of the input; tensors are not held here, but saved with the graph
    private readonly int[] places; // of the tensors among them
    private RandomState? random;
    private DType? autocast;
    private int count;

    private CheckpointFunction(Module module, Func<TIn, Tensor> forward, object?[] parts)
    {
        (this.module, this.forward, this.parts) = (module, forward, parts);
        places = [.. parts.Index().Where(part => part.Item is Tensor).Select(part => part.Index)];
    }

    /// <summary>Whether an input of this type can be taken apart: a tensor, or a tuple of tensors and plain values.</summary>
    internal static bool Fits { get; } =
        typeof(TIn) == typeof(Tensor)
        || (
            IsTuple(typeof(TIn))
            && typeof(TIn).GetGenericArguments() is { Length: < 8 } items
            && items.All(item => item == typeof(Tensor) || IsPlain(item))
        );

    private static bool IsTuple(Type type) => type.IsValueType && type.IsAssignableTo(typeof(ITuple));

    private static bool IsPlain(Type type) => type.IsValueType && (!IsTuple(type) || type.GetGenericArguments().All(IsPlain));

    /// <summary>The module's output.</summary>
    internal static Tensor Run(Module module, Func<TIn, Tensor> forward, TIn input)
    {
        object?[] parts = input is ITuple tuple ? [.. Enumerable.Range(0, tuple.Length).Select(i => tuple[i])] : [input];
        Tensor[] inputs = [.. parts.OfType<Tensor>(), .. module.Parameters().Where(p => p.RequiresGrad)];
        return new CheckpointFunction<TIn>(module, forward, parts).Apply(inputs)[0];
    }

    /// <inheritdoc/>
    protected override Tensor[] Forward(Context context, Tensor[] inputs)
    {
        context.Save(inputs);
        count = inputs.Length;
        random = RandomState.Of(inputs[0].Device);
        autocast = Torch.AutocastType(inputs[0].Device.Type);
        var given = Joined(inputs.Take(places.Length).Select(tensor => tensor.Detach()));
        foreach (var place in places)
            parts[place] = null;
        // With a graph, dropped at once: what autocast keeps of a weight for later uses has to lead back to that weight.
        using var recorded = Torch.EnableGrad();
        return [forward(given).Detach()];
    }

    /// <inheritdoc/>
    protected override Tensor?[] Backward(Context context, Tensor?[] gradients)
    {
        if (Torch.GradEnabled)
            throw new TorchNotSupportedException("gradients of gradients do not pass through modules that are recomputed");
        var saved = new List<Tensor>();
        var wanted = new List<int>();
        for (var i = 0; i < count; i++)
        {
            var tensor = context.Saved(i);
            // Inputs begin a graph of their own; parameters are leaves already.
            if (i < places.Length && context.Needs(i))
                (tensor = tensor.Detach()).RequiresGrad = true;
            else if (i < places.Length)
                tensor = tensor.Detach();
            saved.Add(tensor);
            if (context.Needs(i))
                wanted.Add(i);
        }
        var results = new Tensor?[count];
        var output = Again(Joined(saved.Take(places.Length)), saved[0].Device);
        var found = Autograd.Grad([output], [.. wanted.Select(i => saved[i])], [gradients[0]], allowUnused: true);
        foreach (var (k, i) in wanted.Index())
            results[i] = found[k];
        return results;
    }

    // As the first time; neither random numbers drawn from here on nor buffers see that it happened.
    private Tensor Again(TIn input, Device device)
    {
        var now = RandomState.Of(device);
        var buffers = module.NamedBuffers().Select(b => (b.Buffer, Own: b.Buffer.Share())).ToArray();
        foreach (var (buffer, own) in buffers)
            buffer.Replace(own.Clone());
        random!.Restore();
        using var taps = Taps.Pause();
        try
        {
            using var recorded = Torch.EnableGrad();
            using var type = Torch.Autocast(autocast ?? DType.BFloat16, device.Type, autocast is not null);
            return forward(input);
        }
        finally
        {
            now.Restore();
            foreach (var (buffer, own) in buffers)
                buffer.Replace(own);
        }
    }

    private TIn Joined(IEnumerable<Tensor> tensors)
    {
        var all = (object?[])parts.Clone();
        foreach (var (place, tensor) in places.Zip(tensors))
            all[place] = tensor;
        return typeof(TIn) == typeof(Tensor) ? (TIn)all[0]! : (TIn)Activator.CreateInstance(typeof(TIn), all)!;
    }
}
