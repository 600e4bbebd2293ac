using Tessera.Native;

namespace Tessera.Deploy;

/// <summary>
/// Turns a graph into steps: decides where buffers lie, joins what one kernel can do at once, and leaves to the engine what no
/// kernel does. Copies that only reorder are not made until somebody needs the new order.
/// </summary>
internal sealed partial class Lowering
{
    private readonly Graph graph;
    private readonly Constants constants;
    private readonly bool half;
    private readonly Dictionary<Node, AttentionMatch> attentions = [];
    private readonly Dictionary<Node, Mix> mixes = [];
    private readonly Dictionary<GraphBuffer, ResizedSum> sums = new(ReferenceEqualityComparer.Instance);

    internal List<Step> Steps { get; } = [];
    internal List<Root> Roots { get; } = [];
    internal List<EngineTemplate> EngineCalls { get; } = [];
    internal Root InputRoot { get; }
    internal Located Result { get; }

    /// <summary>Whether the last step can write the result to any memory, because no other one needs it.</summary>
    internal bool WritesResult { get; }

    internal Lowering(Graph graph, Constants constants, DType precision, CancellationToken stop)
    {
        (this.graph, this.constants, half) = (graph, constants, precision == DType.BFloat16);
        InputRoot = NewRoot(graph.Input.Type, graph.Input.Sizes);
        graph.Input.Place = new(InputRoot, 0, Order.RowMajor(graph.Input.Sizes));
        FindAttention();
        FindMixes();
        foreach (var node in graph.Nodes)
        {
            stop.ThrowIfCancellationRequested();
            if (!node.Done)
                Lower(node);
        }
        Result = Dense(graph.Result);
        WritesResult = OnlyTheLastStepNeeds(Result.Root!);
        SetLifetimes();
        Result.Root!.IsCallers = WritesResult;
    }

    private bool OnlyTheLastStepNeeds(Root root) =>
        Steps[^1] is { Kind: StepKind.Map or StepKind.Resize } last
        && Steps.SelectMany(step => step.Operands).Count(operand => operand?.Root == root) == 1
        && last.Operands[^1]!.Root == root
        && root != InputRoot;

    private void Lower(Node node)
    {
        if (attentions.TryGetValue(node, out var attention))
            LowerAttention(node, attention);
        else if (IsCopy(node))
            LowerCopy(node);
        else if (!LowerToKernel(node))
            LowerToEngine(node);
    }

    private bool LowerToKernel(Node node) =>
        node.Name switch
        {
            "aten::linear" => LowerLinear(node),
            "aten::conv2d" => LowerConv(node),
            "aten::conv_transpose2d" => LowerConvTranspose(node),
            "aten::upsample_bilinear2d" or "aten::upsample_nearest2d" => LowerResize(node),
            "aten::group_norm" => LowerGroupNorm(node),
            "aten::layer_norm" => LowerLayerNorm(node),
            "aten::batch_norm" => LowerBatchNorm(node),
            "aten::add" or "aten::sub" or "aten::mul" => LowerResizedSum(node) || LowerArithmetic(node),
            "aten::cat" => LowerCat(node),
            "aten::roll" => LowerRoll(node),
            _ => LowerActivation(node),
        };

    private void LowerCopy(Node node)
    {
        // The result has the elements of the argument in row-major order (or, in another memory format, with its indices), so
        // it is the argument itself seen through the strides of the copy.
        var view = node.Input(0)!;
        var output = node.Output;
        var sameSizes = view.Sizes.SequenceEqual(output.Sizes);
        var located = Find(view);
        output.Alias = new GraphBuffer(view.Sizes, sameSizes ? output.Strides : Order.RowMajor(view.Sizes), output.Type)
        {
            Place = new(located.Root!, located.Offset, located.Strides),
        };
    }

    /// <summary>Whether a call only puts the elements of its argument into another order.</summary>
    private static bool IsCopy(Node node) =>
        node.Name
            is "aten::reshape"
                or "aten::flatten"
                or "aten::unflatten"
                or "aten::contiguous"
                or "aten::clone"
                or "aten::view"
                or "aten::_unsafe_view"
                or "aten::dropout"
        && node.Input(0) is { } view
        && node.Outputs.Length == 1
        && view.Of.Type == node.Output.Type
        && view.Sizes.Aggregate(1L, (a, b) => a * b) == node.Output.Sizes.Aggregate(1L, (a, b) => a * b);

    // --- places -------------------------------------------------------------------------------------------------

    private Root NewRoot(DType type, long[] sizes)
    {
        var root = new Root(type, sizes.Aggregate(1L, (a, b) => a * b));
        Roots.Add(root);
        return root;
    }

    /// <summary>Memory of its own for sizes in a dense order.</summary>
    private Located Fresh(long[] sizes, long[] strides, DType type) => new(NewRoot(type, sizes), 0, 0, sizes, strides, type);

    /// <summary>Memory for a buffer whose sizes lie in a dense order.</summary>
    private Located Fill(GraphBuffer buffer, long[] strides, DType type)
    {
        var located = Fresh(buffer.Sizes, strides, type);
        buffer.Place = new(located.Root!, 0, strides);
        return located;
    }

    /// <summary>A view in real strides; where strides cannot say it, its buffer is first brought into the order of the trace.</summary>
    private Located Find(View view)
    {
        var resolved = view.Of.Alias is { } alias ? view with { Of = alias } : view;
        if (Order.Locate(resolved) is { } located)
            return located;
        var buffer = resolved.Of;
        var (from, strides) = (buffer.Place!, Order.Like(buffer.Sizes, buffer.Strides));
        var target = Fresh(buffer.Sizes, strides, from.Root.Type);
        Move(new(from.Root, 0, from.Offset, buffer.Sizes, from.Strides, from.Root.Type), target, "reorder");
        buffer.Place = new(target.Root!, 0, strides);
        return Order.Locate(resolved)
            ?? throw new InvalidOperationException(
                $"a view of shape {new Shape(view.Sizes)} cannot be expressed by strides over its tensor of shape {new Shape(buffer.Sizes)}"
            );
    }

    /// <summary>A view or a constant in float32.</summary>
    private Located Operand(Node node, int argument) =>
        node.Input(argument) is { } view ? Float(Find(view)) : constants.Floats(node.Constant(argument)!);

    /// <summary>A view or a constant converted to float32.</summary>
    private Located Float(Located located)
    {
        if (!located.IsHalf)
            return located;
        var target = Fresh(located.Sizes, Order.Like(located.Sizes, located.Strides), DType.Float32);
        Move(located, target, "widen");
        return target;
    }

    /// <summary>The elements together in row-major order, in float32.</summary>
    private Located Dense(View view)
    {
        var located = Float(Find(view));
        return Order.Same(located.Sizes, located.Strides, Order.RowMajor(located.Sizes))
            ? located
            : Copied(located, Order.RowMajor(located.Sizes), located.Type);
    }

    private Located Copied(Located from, long[] strides, DType type)
    {
        var target = Fresh(from.Sizes, strides, type);
        Move(from, target, from.Type == type ? "reorder" : "convert");
        return target;
    }

    /// <summary>Rows of [rows, columns] in the type that products want, copied only where they do not lie so.</summary>
    private (Located At, long Rows, long Stride) Rows(Located located, long columns, DType type)
    {
        if (located.Type == type && located.RowsOf(columns) is { } rows)
            return (located, rows.Rows, rows.Stride);
        var dense = Copied(located, Order.RowMajor(located.Sizes), type);
        return (dense, dense.Elements / columns, columns);
    }

    private void SetLifetimes()
    {
        for (var i = 0; i < Steps.Count; i++)
            foreach (var operand in Steps[i].Operands)
                if (operand?.Root is { } root)
                    (root.First, root.Last) = (Math.Min(root.First, i), Math.Max(root.Last, i));
        InputRoot.First = 0;
        Result.Root!.Last = Steps.Count;
    }

    // --- what may be joined ---------------------------------------------------------------------------------------

    /// <summary>The only call that takes a buffer, all of it and in its own order; null where there is none.</summary>
    private static Node? OnlyUse(GraphBuffer buffer) =>
        !buffer.IsResult
        && buffer.Uses is [var use]
        && use.Inputs.Count(v => ReferenceEquals(v.Of, buffer)) == 1
        && IsWhole(use.Inputs.First(v => ReferenceEquals(v.Of, buffer)))
            ? use
            : null;

    private static bool IsWhole(View view) =>
        view.Offset == 0 && view.Sizes.Aggregate(1L, (a, b) => a * b) == view.Of.Sizes.Aggregate(1L, (a, b) => a * b);

    /// <summary>Whether a result has the order of the argument that it replaces, so that both can be one memory.</summary>
    private static bool Replaces(View argument, GraphBuffer result) =>
        IsWhole(argument) && argument.Sizes.SequenceEqual(result.Sizes) && Order.Same(result.Sizes, argument.Strides, result.Strides);

    /// <summary>Whether all that use a buffer take bfloat16.</summary>
    private bool TakesHalf(GraphBuffer buffer)
    {
        if (!half || buffer.IsResult || buffer.Uses.Count == 0)
            return false;
        return buffer.Uses.All(use =>
            IsCopy(use)
                ? TakesHalf(use.Output)
                : attentions.Values.Any(match => match.TakesHalf(use, buffer))
                    || (use.Name == "aten::linear" && ReferenceEquals(use.Input(0)?.Of, buffer) && HalfWeights(use))
        );
    }

    private static Activation ActivationOf(Node node)
    {
        switch (node.Name)
        {
            case "aten::gelu" or "tessera::gelu":
                return node.Arguments.Length > 1 && node.Arguments[1].Tag == Tag.String && node.Arguments[1].Text == "tanh"
                    ? Activation.GeluTanh
                    : Activation.Gelu;
            case "aten::relu":
                return Activation.Relu;
            case "aten::silu":
                return Activation.Silu;
            case "aten::sigmoid":
                return Activation.Sigmoid;
            case "aten::tanh":
                return Activation.Tanh;
            case "aten::hardswish":
                return Activation.Hardswish;
            default:
                return Activation.None;
        }
    }
}
