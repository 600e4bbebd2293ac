using System.Runtime.InteropServices;

namespace Tessera.Deploy;

internal sealed unsafe partial class Lowering
{
    /// <summary>Operations that a product applies on its way out, and the buffer that it then fills.</summary>
    private sealed record Ending(
        GraphBuffer Output,
        float[]? Scale,
        float[]? Shift,
        Activation Activation,
        Located? Residual,
        string Label
    );

    /// <summary>Whether a map's product runs in bfloat16: not the classifier, whose logits are compared with each other.</summary>
    private bool HalfWeights(Node linear) =>
        half
        && linear.Constant(1) is { } weight
        && weight.Size(1) % 2 == 0
        && !linear.Output.IsResult
        && !ReferenceEquals(graph.Result.Of, linear.Output);

    private bool LowerLinear(Node node)
    {
        if (node.Constant(1) is not { Dim: 2 } weight || node.Input(0) is not { } view)
            return false;
        var (columns, depth) = (weight.Size(0), weight.Size(1));
        var type = HalfWeights(node) ? DType.BFloat16 : DType.Float32;
        var (input, rows, stride) = Rows(Find(view), depth, type);
        Product(
            node,
            input,
            rows,
            stride,
            depth,
            columns,
            weight,
            node.Constant(2),
            type,
            channels: node.Output.Sizes.Length - 1,
            Order.RowMajor(node.Output.Sizes)
        );
        return true;
    }

    // out [rows, columns]: the buffer's dimension of channels lies together, all others make up the rows.
    private void Product(
        Node node,
        Located input,
        long rows,
        long stride,
        long depth,
        long columns,
        Tensor weight,
        Tensor? bias,
        DType type,
        int channels,
        long[] order
    )
    {
        var ending = End(node, channels, order, joinsResidual: true);
        var (values, shifts) = Scaled(weight.ToArray<float>(), bias?.ToArray<float>(), ending);
        var target = Placed(node.Output, ending, order);
        var (outStride, residualStride) = RowStrides(target, ending.Residual, columns);
        Multiply(
            ending.Label,
            new(input, rows, stride, depth, type),
            values,
            shifts,
            new(ending.Residual, residualStride),
            new(target, outStride),
            ending.Activation
        );
    }

    /// <summary>The left side of a product: rows of depth elements that lie together.</summary>
    private sealed record Left(Located At, long Rows, long Stride, long Depth, DType Type);

    /// <summary>Rows a step apart; none where nothing is there.</summary>
    private sealed record Spaced(Located? At, long Stride);

    // out = activation(input weights + shifts) + residual; weights [columns, depth].
    private void Multiply(string label, Left left, float[] weights, float[]? shifts, Spaced residual, Spaced target, Activation activation)
    {
        var (rows, depth, columns) = (left.Rows, left.Depth, weights.Length / left.Depth);
        var isHalf = left.Type == DType.BFloat16;
        var packed = constants.Packed(weights, depth, columns, isHalf);
        nint shift = shifts is null ? 0 : constants.Floats(shifts);
        Add(StepKind.Gemm, label, rows * columns * depth, [left.At, residual.At, target.At], at => new GemmArguments
        {
            A = at(left.At),
            B = packed,
            Bias = shift,
            Residual = at(residual.At),
            Out = at(target.At),
            Rows = rows,
            Columns = columns,
            Depth = depth,
            AStride = left.Stride,
            ResidualStride = residual.Stride,
            OutStride = target.Stride,
            BType = isHalf ? 1 : 0,
            OutType = target.At!.IsHalf ? 1 : 0,
            Activation = activation,
        });
    }

    private static (long Out, long Residual) RowStrides(Located target, Located? residual, long columns) =>
        (target.RowsOf(columns)?.Stride ?? columns, residual?.RowsOf(columns)?.Stride ?? 0);

    /// <summary>Follows what happens to a product's result as far as its kernel can do it.</summary>
    private Ending End(Node node, int channels, long[] order, bool joinsResidual)
    {
        var (output, activation, label) = (node.Output, Activation.None, node.Name);
        float[]? scale = null,
            shift = null;
        Located? residual = null;
        // The result lies in the order given; what replaces it runs through its storage alike.
        var place = new GraphBuffer(output.Sizes, output.Strides, output.Type) { Place = new(new Root(DType.Float32, 1), 0, order) };
        while (true)
        {
            var next = OnlyUse(output);
            if (
                next is null
                && activation == Activation.None
                && residual is null
                && QuickGelu(output) is { } product
                && Replaces(output.FullView, product.Output)
            )
            {
                (activation, output, label) = (Activation.QuickGelu, product.Output, label + "+quick_gelu");
                continue;
            }
            if (next is null || next.Outputs.Length != 1)
                break;
            var view = next.Inputs.First(v => ReferenceEquals(v.Of, output));
            if (!Replaces(view, next.Output))
                break;
            var seen = Order.Locate(view with { Of = place });
            if (seen is null)
                break;
            var channel = Enumerable
                .Range(0, view.Sizes.Length)
                .FirstOrDefault(d => view.Sizes[d] == node.Output.Sizes[channels] && seen.Strides[d] == 1, -1);
            if (ActivationOf(next) is var own and not Activation.None && activation == Activation.None && residual is null)
                activation = own;
            else if (
                next.Name == "aten::batch_norm"
                && activation == Activation.None
                && residual is null
                && channel == 1
                && Statistics(next) is var (factor, offset)
            )
                (scale, shift) = (Times(scale, factor), Plus(shift is null ? null : Times(shift, factor), offset));
            else if (
                next.Name == "aten::mul"
                && activation == Activation.None
                && residual is null
                && channel >= 0
                && PerChannel(next, view, channel) is { } factors
            )
                (scale, shift) = (Times(scale, factors), shift is null ? null : Times(shift, factors));
            else if (
                next.Name == "aten::add"
                && joinsResidual
                && residual is null
                && channel >= 0
                && Other(next, output, view, seen, node.Output.Sizes[channels]) is { } other
            )
                residual = other;
            else
                break;
            label += "+" + next.Name[(next.Name.IndexOf("::", StringComparison.Ordinal) + 2)..];
            next.Done = true;
            output = next.Output;
        }
        return new(output, scale, shift, activation, residual, label);
    }

    private static float[] Times(float[]? a, float[]? b) =>
        a is null ? b!
        : b is null ? a
        : [.. a.Zip(b, (x, y) => x * y)];

    private static float[] Plus(float[]? a, float[] b) => a is null ? b : [.. a.Zip(b, (x, y) => x + y)];

    /// <summary>Scale and shift of a batch norm with running statistics.</summary>
    private static (float[] Factor, float[] Offset)? Statistics(Node norm)
    {
        if (norm.Constant(3) is not { } mean || norm.Constant(4) is not { } variance || norm.Int(5, 0) != 0)
            return null;
        var (means, variances, eps) = (mean.ToArray<double>(), variance.ToArray<double>(), norm.Arguments[7].Real);
        var weights = norm.Constant(1)?.ToArray<double>();
        var biases = norm.Constant(2)?.ToArray<double>();
        var factor = variances.Select((v, i) => (weights?[i] ?? 1) / Math.Sqrt(v + eps)).ToArray();
        return ([.. factor.Select(f => (float)f)], [.. factor.Select((f, i) => (float)((biases?[i] ?? 0) - (means[i] * f)))]);
    }

    /// <summary>A constant factor that depends on the channel alone; null where it is anything else.</summary>
    private static float[]? PerChannel(Node product, View view, int channel)
    {
        if (
            (product.Constant(1) ?? product.Constant(0)) is not { } factor
            || factor.Elements != view.Sizes[channel]
            || view.Sizes[channel] == 1
        )
            return null;
        var sizes = factor.Shape.AsSpan().ToArray();
        var fromEnd = view.Sizes.Length - channel;
        return sizes.Length >= fromEnd && sizes[^fromEnd] == view.Sizes[channel] ? factor.ToArray<float>() : null;
    }

    /// <summary>The other summand, where it is there already and lies in rows like the product's result.</summary>
    private Located? Other(Node sum, GraphBuffer output, View view, Located seen, long columns)
    {
        if (sum.Arguments.Length > 2 && sum.Arguments[2].Tag != Native.Tag.Default && sum.Arguments[2].Real != 1)
            return null;
        var first = ReferenceEquals(sum.Input(0)?.Of, output);
        Located located;
        if (sum.Input(first ? 1 : 0) is { } other)
        {
            if (
                ReferenceEquals(other.Of, output)
                || !other.Sizes.SequenceEqual(view.Sizes)
                || (other.Of.Place is null && other.Of.Alias is null)
            )
                return null;
            located = Find(other);
        }
        else if (sum.Constant(first ? 1 : 0) is { } constant && constant.Elements == view.Of.Sizes.Aggregate(1L, (a, b) => a * b))
            located = constants.Floats(constant).Expand(view.Sizes);
        else
            return null;
        if (located.Type != DType.Float32)
            return null;
        // Rows are counted alike only if both have the same order of dimensions.
        var (sizes, strides) = Located.Collapse(seen, located);
        var ordered = Enumerable.Range(0, sizes.Length).OrderByDescending(d => strides[0][d]).ToArray();
        return ordered[^1] is var last && sizes[last] == columns && strides[1][last] == 1 && ordered.Length <= 2
                ? located with
                {
                    Sizes = [.. ordered.Select(d => sizes[d])],
                    Strides = [.. ordered.Select(d => strides[1][d])],
                }
            : sizes.Length == 1 && strides[1][0] == 1 && strides[0][0] == 1
                ? located with
                {
                    Sizes = [located.Elements / columns, columns],
                    Strides = [columns, 1],
                }
            : null;
    }

    /// <summary>x sigmoid(1.702 x) of a buffer that nothing else uses.</summary>
    private static Node? QuickGelu(GraphBuffer buffer)
    {
        if (buffer.IsResult || buffer.Uses is not [{ Name: "aten::mul" } scaled, { Name: "aten::mul" } product])
            return null;
        if (
            scaled.Arguments.Length < 2
            || scaled.Arguments[1].Tag != Native.Tag.Double
            || Math.Abs(scaled.Arguments[1].Real - 1.702) > 1e-9
        )
            return null;
        if (
            OnlyUse(scaled.Output) is not { Name: "aten::sigmoid" } sigmoid
            || OnlyUse(sigmoid.Output) is not { } last
            || !ReferenceEquals(last, product)
        )
            return null;
        if (!product.Inputs.All(v => IsWhole(v) && Order.Same(v.Sizes, v.Strides, product.Output.Strides)))
            return null;
        (scaled.Done, sigmoid.Done, product.Done) = (true, true, true);
        return product;
    }

    /// <summary>Weights [out, depth] and biases with what follows the product multiplied in; weights are changed in place.</summary>
    private static (float[] Weights, float[]? Shifts) Scaled(float[] values, float[]? shifts, Ending ending)
    {
        if (ending.Scale is { } scale)
        {
            var depth = values.Length / scale.Length;
            for (var i = 0; i < values.Length; i++)
                values[i] *= scale[i / depth];
            if (shifts is not null)
                shifts = Times(shifts, scale);
        }
        return (values, ending.Shift is null ? shifts : Plus(shifts, ending.Shift));
    }

    /// <summary>Memory for what a product and its ending fill: one for all buffers on the way, in the order of the product.</summary>
    private Located Placed(GraphBuffer first, Ending ending, long[] order, bool mayBeHalf = true)
    {
        var target = Fresh(first.Sizes, order, mayBeHalf && TakesHalf(ending.Output) ? DType.BFloat16 : DType.Float32);
        first.Place = new(target.Root!, 0, order);
        if (!ReferenceEquals(first, ending.Output))
        {
            // Element for element the last buffer is the first one: their storages run alike.
            ending.Output.Alias = new GraphBuffer(first.Sizes, first.Strides, first.Type) { Place = first.Place };
        }
        return target;
    }

    private bool LowerConv(Node node)
    {
        if (
            node.Constant(1) is not { Dim: 4 } weight
            || node.Input(0) is not { } view
            || view.Sizes.Length != 4
            || view.Of.Type != DType.Float32
        )
            return false;
        int[] step = node.Pair(3, 1),
            dilation = node.Pair(5, 1);
        if (node.Arguments[4].Tag == Native.Tag.String)
            return false;
        var pad = node.Pair(4, 0);
        var groups = node.Int(6, 1);
        var (channels, outChannels) = (view.Sizes[1], weight.Size(0));
        int[] kernel = [(int)weight.Size(2), (int)weight.Size(3)];
        if (groups == channels && groups == outChannels && groups > 1)
            return LowerDepthwise(node, weight, kernel, step, pad, dilation);
        if (groups != 1)
            return false;

        var sizes = node.Output.Sizes; // [B, C, H, W]
        var order = Order.ChannelsLast(sizes);
        if (mixes.TryGetValue(node, out var mix))
        {
            LowerMix(node, mix);
            return true;
        }
        if (kernel is [1, 1] && step is [1, 1] && pad is [0, 0] && channels > 1)
        {
            var left = Pixels(view, HalfPixels(node, channels));
            Product(
                node,
                left.At,
                left.Rows,
                left.Stride,
                channels,
                outChannels,
                weight,
                node.Constant(2),
                left.Type,
                channels: 1,
                order
            );
            return true;
        }
        var input = Float(Find(view));
        var together = input.Strides[1] == 1;
        var ending = End(node, 1, order, joinsResidual: true);
        var (values, shifts) = Scaled(weight.ToArray<float>(), node.Constant(2)?.ToArray<float>(), ending);
        var depth = channels * kernel[0] * kernel[1];
        if (together)
            values = ChannelsInside(values, (int)outChannels, (int)channels, kernel[0] * kernel[1]);
        var packed = constants.Packed(values, depth, outChannels, half);
        nint shift = shifts is null ? 0 : constants.Floats(shifts);
        var target = Placed(node.Output, ending, order);
        var residual = ending.Residual;
        var (_, residualRow) = RowStrides(target, residual, outChannels);
        var positions = sizes[2] * sizes[3];
        Add(StepKind.Conv, ending.Label, sizes[0] * positions * outChannels * depth, [input, residual, target], at =>
        {
            var conv = new ConvArguments
            {
                Input = at(input),
                Weights = packed,
                Bias = shift,
                Residual = at(residual),
                Out = at(target),
                Batch = sizes[0],
                Channels = channels,
                Height = view.Sizes[2],
                Width = view.Sizes[3],
                OutChannels = outChannels,
                OutHeight = sizes[2],
                OutWidth = sizes[3],
                OutBatch = order[0],
                OutRow = outChannels,
                ResidualBatch = residualRow * positions,
                ResidualRow = residualRow,
                WeightsType = half ? 1 : 0,
                OutType = target.IsHalf ? 1 : 0,
                Activation = ending.Activation,
            };
            for (var i = 0; i < 4; i++)
                conv.InputStride[i] = input.Strides[i];
            for (var i = 0; i < 2; i++)
                (conv.Kernel[i], conv.Step[i], conv.Pad[i], conv.Dilation[i]) = (kernel[i], step[i], pad[i], dilation[i]);
            return conv;
        });
        return true;
    }

    /// <summary>The positions of a map as the left side of a product.</summary>
    private Left Pixels(View map, DType type)
    {
        var (sizes, input) = (map.Sizes, Find(map));
        var pixels = input with
        {
            Sizes = [sizes[0], sizes[2], sizes[3], sizes[1]],
            Strides = [input.Strides[0], input.Strides[2], input.Strides[3], input.Strides[1]],
        };
        var (at, rows, stride) = Rows(pixels, sizes[1], type);
        return new(at, rows, stride, sizes[1], type);
    }

    /// <summary>Type of a product over the positions of a map: not of the classifier, whose scores are compared with each other.</summary>
    private DType HalfPixels(Node conv, long channels) =>
        half && channels % 2 == 0 && !BecomesResult(conv.Output) ? DType.BFloat16 : DType.Float32;

    private static bool BecomesResult(GraphBuffer buffer) =>
        buffer.IsResult || (OnlyUse(buffer) is { } use && IsResize(use) && BecomesResult(use.Output));

    // [out, in, kernel] -> [out, kernel, in]
    private static float[] ChannelsInside(float[] weights, int outChannels, int channels, int kernel)
    {
        var moved = new float[weights.Length];
        for (var o = 0; o < outChannels; o++)
        for (var c = 0; c < channels; c++)
        for (var k = 0; k < kernel; k++)
            moved[(((o * kernel) + k) * channels) + c] = weights[(((o * channels) + c) * kernel) + k];
        return moved;
    }

    private bool LowerDepthwise(Node node, Tensor weight, int[] kernel, int[] step, int[] pad, int[] dilation)
    {
        var view = node.Input(0)!;
        var input = Float(Find(view));
        var (channels, sizes) = (view.Sizes[1], node.Output.Sizes);
        if (input.Strides[1] != 1)
            input = Copied(input, Order.ChannelsLast(view.Sizes), DType.Float32);
        var order = Order.ChannelsLast(sizes);
        var ending = End(node, 1, order, joinsResidual: false);
        var (values, shifts) = Scaled(weight.ToArray<float>(), node.Constant(2)?.ToArray<float>(), ending);
        var taps = kernel[0] * kernel[1];
        var moved = new float[values.Length];
        for (var c = 0; c < channels; c++)
        for (var k = 0; k < taps; k++)
            moved[(k * channels) + c] = values[(c * taps) + k];
        var weights = constants.Floats(moved);
        nint shift = shifts is null ? 0 : constants.Floats(shifts);
        var target = Placed(node.Output, ending, order);
        Add(StepKind.Depthwise, ending.Label, sizes.Aggregate(1L, (a, b) => a * b) * taps, [input, target], at =>
        {
            var depthwise = new DepthwiseArguments
            {
                Input = at(input),
                Weights = weights,
                Bias = shift,
                Out = at(target),
                Batch = sizes[0],
                Channels = channels,
                Height = view.Sizes[2],
                Width = view.Sizes[3],
                OutHeight = sizes[2],
                OutWidth = sizes[3],
                OutType = target.IsHalf ? 1 : 0,
                Activation = ending.Activation,
            };
            for (var i = 0; i < 3; i++)
                (depthwise.InputStride[i], depthwise.OutStride[i]) = (input.Strides[i == 0 ? 0 : i + 1], order[i == 0 ? 0 : i + 1]);
            for (var i = 0; i < 2; i++)
                (depthwise.Kernel[i], depthwise.Step[i], depthwise.Pad[i], depthwise.Dilation[i]) = (
                    kernel[i],
                    step[i],
                    pad[i],
                    dilation[i]
                );
            return depthwise;
        });
        return true;
    }

    private void Add(StepKind kind, string label, long macs, Located?[] operands, Func<Addressing, object> build) =>
        Steps.Add(new(kind, label, operands, macs, build));
}
