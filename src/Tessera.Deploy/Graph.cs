using Tessera.Native;

namespace Tessera.Deploy;

/// <summary>Memory that one operator of the traced model filled.</summary>
/// <param name="sizes">Sizes of the output that the buffer holds.</param>
/// <param name="strides">Its strides in the trace: dense, in any order.</param>
/// <param name="type">Type of the elements in the trace.</param>
internal sealed class GraphBuffer(long[] sizes, long[] strides, DType type)
{
    internal long[] Sizes => sizes;
    internal long[] Strides => strides;
    internal DType Type => type;

    /// <summary>The calls that take it, each as often as it does.</summary>
    internal List<Node> Uses { get; } = [];

    /// <summary>The call that fills it; null for the model's input.</summary>
    internal Node? Producer { get; set; }

    /// <summary>Whether the model gives it back.</summary>
    internal bool IsResult { get; set; }

    /// <summary>Position of the buffer in the compiled model; null until the step that fills it was made.</summary>
    internal Place? Place { get; set; }

    /// <summary>
    /// The buffer of which this one is a reordered copy, seen through strides of its own; null where it has memory of its own.
    /// </summary>
    internal GraphBuffer? Alias { get; set; }

    internal View FullView => new(this, sizes, strides, 0);
}

/// <summary>A buffer as a call sees it, in sizes, strides and offset of the trace.</summary>
internal sealed record View(GraphBuffer Of, long[] Sizes, long[] Strides, long Offset);

/// <summary>One call that depends on the input.</summary>
internal sealed class Node(TracedCall call, IReadOnlyDictionary<TracedTensor, View> views)
{
    internal TracedCall Call => call;
    internal string Name => call.Name;
    internal TracedValue[] Arguments => call.Arguments;
    internal GraphBuffer[] Outputs { get; set; } = [];
    internal GraphBuffer Output => Outputs[0];

    /// <summary>Whether another node's step does its work too.</summary>
    internal bool Done { get; set; }

    /// <summary>The argument's view; null where it is a constant.</summary>
    internal View? Input(int argument) => Input(call.Arguments[argument].Tensor);

    internal View? Input(TracedTensor? tensor) => tensor is not null && views.TryGetValue(tensor, out var view) ? view : null;

    /// <summary>The argument's value where it does not depend on the model's input.</summary>
    internal Tensor? Constant(int argument) =>
        call.Arguments.Length > argument && call.Arguments[argument].Tensor is { } tensor && Input(tensor) is null ? tensor.Constant : null;

    internal long Int(int argument, long missing) =>
        argument < call.Arguments.Length && call.Arguments[argument] is { Tag: Tag.Int or Tag.Bool or Tag.Double } value
            ? (long)value.Real
            : missing;

    /// <summary>A list of two, given as such, as one number or not at all.</summary>
    internal int[] Pair(int argument, int missing)
    {
        var value = argument < call.Arguments.Length ? call.Arguments[argument] : new(Tag.Default, 0, [], []);
        if (value.Tag == Tag.Int)
            return [(int)value.Number, (int)value.Number];
        return value.Items.Length switch
        {
            0 => [missing, missing],
            1 => [(int)value.Items[0], (int)value.Items[0]],
            _ => [(int)value.Items[0], (int)value.Items[1]],
        };
    }

    internal IEnumerable<View> Inputs =>
        call.Arguments.SelectMany(a => a.Tensors).Where(t => t is not null).Select(t => Input(t)!).Where(v => v is not null);
}

/// <summary>Operator calls of a model for one image and the memory between them; calls that only make views are left out.</summary>
internal sealed class Graph
{
    private readonly Dictionary<TracedTensor, View> views = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<long, GraphBuffer> buffers = [];

    private static readonly HashSet<string> random =
    [
        "aten::randperm",
        "aten::rand",
        "aten::randn",
        "aten::randint",
        "aten::rand_like",
        "aten::randn_like",
        "aten::bernoulli",
        "aten::multinomial",
    ];

    /// <summary>Whether an operator draws at random, so that its results differ although its arguments do not.</summary>
    internal static bool IsRandom(string name) => random.Contains(name);

    internal List<Node> Nodes { get; } = [];
    internal GraphBuffer Input { get; }
    internal View Result { get; }

    /// <summary>Builds the graph of a trace.</summary>
    /// <exception cref="NotSupportedException">A call changes memory that depends on the input.</exception>
    internal Graph(OperatorTrace trace, TracedTensor? result, Shape shape)
    {
        Input = Fill(trace.Input);
        foreach (var call in trace.Calls)
            Add(call);
        if (result is null || !views.TryGetValue(result, out var view))
            throw new NotSupportedException(
                $"the model's result of shape {shape} does not depend on its images, which cannot be compiled: "
                    + "it must be computed from them"
            );
        Result = view;
        Result.Of.IsResult = true;
        LeaveOutUnused();
    }

    // A backbone also computes what a head does not ask for: its last norm, maps that nobody takes.
    private void LeaveOutUnused()
    {
        var needed = new HashSet<GraphBuffer>(ReferenceEqualityComparer.Instance) { Result.Of };
        for (var i = Nodes.Count - 1; i >= 0; i--)
        {
            var node = Nodes[i];
            // Random numbers are drawn whether they are needed or not, so that those after them stay the same.
            if (node.Outputs.Any(needed.Contains) || IsRandom(node.Name))
            {
                needed.UnionWith(node.Inputs.Select(view => view.Of));
                continue;
            }
            foreach (var input in node.Inputs)
                input.Of.Uses.Remove(node);
            Nodes.RemoveAt(i);
        }
    }

    private GraphBuffer Fill(TracedTensor tensor)
    {
        var buffer = new GraphBuffer(tensor.Sizes, tensor.Strides, tensor.Type);
        views[tensor] = buffer.FullView;
        buffers[tensor.Memory] = buffer;
        return buffer;
    }

    private void Add(TracedCall call)
    {
        var node = new Node(call, views);
        var inputs = node.Inputs.ToArray();
        // What is drawn at random has to be drawn anew for every image.
        if (inputs.Length == 0 && !IsRandom(call.Name))
            return;
        if (call.Name.EndsWith('_'))
            throw new NotSupportedException(
                $"{call.Name} changes a tensor of shape {new Shape(inputs[0].Sizes)} in place, which cannot be compiled: "
                    + $"use {call.Name[..^1]}, which makes a new tensor"
            );
        var outputs = new List<GraphBuffer>();
        foreach (var tensor in call.Results.SelectMany(r => r.Tensors))
        {
            if (tensor is null || views.ContainsKey(tensor))
                continue;
            if (buffers.TryGetValue(tensor.Memory, out var seen))
                views[tensor] = new(seen, tensor.Sizes, tensor.Strides, tensor.Offset);
            else
                outputs.Add(Fill(tensor));
        }
        if (outputs.Count == 0)
            return;
        node.Outputs = [.. outputs];
        foreach (var buffer in outputs)
            buffer.Producer = node;
        foreach (var view in inputs)
            view.Of.Uses.Add(node);
        Nodes.Add(node);
    }
}
