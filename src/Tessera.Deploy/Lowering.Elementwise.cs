namespace Tessera.Deploy;

internal sealed unsafe partial class Lowering
{
    private bool LowerLayerNorm(Node node)
    {
        var view = node.Input(0);
        if (view is null || node.Arguments[1].Items is not [var channels] || view.Of.Type != DType.Float32)
            return false;
        var (input, rows, stride) = Rows(Find(view), channels, DType.Float32);
        nint Values(int argument) => node.Constant(argument) is { } tensor ? constants.Floats(tensor).Constant : 0;
        var (weight, bias, eps) = (Values(2), Values(3), node.Arguments[4].Tag == Native.Tag.Default ? 1e-5 : node.Arguments[4].Real);
        var target = Fill(node.Output, Order.RowMajor(node.Output.Sizes), TakesHalf(node.Output) ? DType.BFloat16 : DType.Float32);
        Add(StepKind.LayerNorm, "layer_norm", 0, [input, target], at => new LayerNormArguments
        {
            Input = at(input),
            Weight = weight,
            Bias = bias,
            Out = at(target),
            Rows = rows,
            Channels = channels,
            InputStride = stride,
            OutStride = channels,
            Eps = eps,
            OutType = target.IsHalf ? 1 : 0,
        });
        return true;
    }

    private bool LowerBatchNorm(Node node)
    {
        if (
            node.Input(0) is not { } view
            || view.Sizes.Length < 2
            || view.Of.Type != DType.Float32
            || Statistics(node) is not var (factor, offset)
        )
            return false;
        var input = Float(Find(view));
        var channel = new long[view.Sizes.Length];
        channel[1] = 1;
        Located Channel(float[] values) => new(null, constants.Floats(values), 0, view.Sizes, channel, DType.Float32);
        var scaled = Fresh(view.Sizes, Order.Like(view.Sizes, input.Strides), DType.Float32);
        Combine("batch_norm", Arithmetic.Multiply, input, Channel(factor), scaled);
        var target = Fill(node.Output, scaled.Strides, DType.Float32);
        Combine("batch_norm", Arithmetic.Add, scaled, Channel(offset), target);
        return true;
    }

    private bool LowerArithmetic(Node node)
    {
        if (node.Output.Type != DType.Float32 || node.Inputs.Any(v => v.Of.Type != DType.Float32))
            return false;
        var op = node.Name switch
        {
            "aten::add" => Arithmetic.Add,
            "aten::sub" => Arithmetic.Subtract,
            _ => Arithmetic.Multiply,
        };
        if (
            op != Arithmetic.Multiply
            && node.Arguments.Length > 2
            && node.Arguments[2].Tag != Native.Tag.Default
            && node.Arguments[2].Real != 1
        )
            return false;
        var sizes = node.Output.Sizes;
        Located Side(int argument)
        {
            if (node.Arguments[argument].Tensor is not null)
                return Operand(node, argument).Expand(sizes);
            return new(null, constants.Floats([(float)node.Arguments[argument].Real]), 0, sizes, new long[sizes.Length], DType.Float32);
        }
        var (a, b) = (Side(0), Side(1));
        var like =
            node.Input(0) is { } first && first.Sizes.SequenceEqual(sizes) ? a
            : node.Input(1) is { } second && second.Sizes.SequenceEqual(sizes) ? b
            : null;
        if (
            Located.Collapse(a, b, a with { Strides = like is null ? Order.RowMajor(sizes) : Order.Like(sizes, like.Strides) }).Sizes.Length
            > BinaryArguments.MaxDims
        )
            return false;
        var target = Fill(node.Output, like is null ? Order.RowMajor(sizes) : Order.Like(sizes, like.Strides), DType.Float32);
        Combine(node.Name, op, a, b, target);
        return true;
    }

    private bool LowerActivation(Node node)
    {
        var activation = ActivationOf(node);
        if (activation == Activation.None || node.Input(0) is not { } view || view.Of.Type != DType.Float32)
            return false;
        var input = Find(view);
        var target = Fill(node.Output, Order.Like(view.Sizes, input.Strides), TakesHalf(node.Output) ? DType.BFloat16 : DType.Float32);
        Move(input, target, node.Name, activation);
        return true;
    }

    private bool LowerCat(Node node)
    {
        if (node.Output.Type != DType.Float32)
            return false;
        var (sizes, parts) = (node.Output.Sizes, node.Arguments[0].Tensors);
        var dim = (int)node.Int(1, 0);
        if (dim < 0)
            dim += sizes.Length;
        // A map that is still to be resized is written to its place in the whole at once.
        (Located? Map, ResizedSum? Sum, long Size) Part(TracedTensor tensor) =>
            node.Input(tensor) is not { } view ? (constants.Floats(tensor.Constant!), null, tensor.Sizes[dim])
            : sums.Remove(view.Of, out var sum) ? (null, sum, view.Sizes[dim])
            : (Find(view), null, view.Sizes[dim]);
        var located = parts.Where(p => p!.Elements > 0).Select(p => Part(p!)).ToArray();
        // Maps stay with their channels together, tokens in rows.
        var channelsLast = sizes.Length == 4 && located.All(p => p.Map is null || p.Map.Strides[1] == 1 || p.Map.Sizes[1] == 1);
        var half = TakesHalf(node.Output) && located.All(p => p.Sum is null);
        var target = Fill(
            node.Output,
            channelsLast ? Order.ChannelsLast(sizes) : Order.RowMajor(sizes),
            half ? DType.BFloat16 : DType.Float32
        );
        var start = 0L;
        foreach (var (map, sum, size) in located)
        {
            var place = target.Narrow(dim, start, size);
            if (sum is null)
                Move(map!, place, "cat");
            else
                Emit(sum, place, sum.Label + "+cat", Activation.None);
            start += size;
        }
        return true;
    }

    private bool LowerRoll(Node node)
    {
        if (node.Input(0) is not { } view || view.Of.Type != DType.Float32)
            return false;
        long[] shifts = node.Arguments[1].Items,
            dims = node.Arguments[2].Items;
        if (dims.Length == 0 || dims.Length != shifts.Length)
            return false;
        var input = Find(view);
        var target = Fill(node.Output, Order.Like(view.Sizes, input.Strides), input.Type);
        Roll(input, target, 0);
        return true;

        // Each rolled dimension falls into two pieces that change places.
        void Roll(Located from, Located to, int i)
        {
            if (i == dims.Length)
            {
                Move(from, to, "roll");
                return;
            }
            var dim = (int)(dims[i] < 0 ? dims[i] + view.Sizes.Length : dims[i]);
            var size = view.Sizes[dim];
            var shift = ((shifts[i] % size) + size) % size;
            Roll(from.Narrow(dim, 0, size - shift), to.Narrow(dim, shift, size - shift), i + 1);
            if (shift > 0)
                Roll(from.Narrow(dim, size - shift, shift), to.Narrow(dim, 0, shift), i + 1);
        }
    }

    /// <summary>out = activation(a): a copy, a change of type, an activation by itself.</summary>
    private void Move(Located from, Located to, string label, Activation activation = Activation.None)
    {
        if (from.Elements == 0)
            return;
        if (from.Type is not (DType.Float32 or DType.BFloat16) || to.Type is not (DType.Float32 or DType.BFloat16))
        {
            MoveByEngine(from, to);
            return;
        }
        var (sizes, strides) = Ordered(from, to);
        if (sizes.Length > MapArguments.MaxDims)
            throw new NotSupportedException(
                $"{label} of a tensor of shape {new Shape(to.Sizes)} cannot be compiled: "
                    + $"it permutes {sizes.Length} dimensions, and at most {MapArguments.MaxDims} are possible"
            );
        Add(StepKind.Map, label, 0, [from, to], at =>
        {
            var map = new MapArguments
            {
                A = at(from),
                Out = at(to),
                Dims = sizes.Length,
                Activation = activation,
                AType = from.IsHalf ? 1 : 0,
                OutType = to.IsHalf ? 1 : 0,
            };
            for (var d = 0; d < sizes.Length; d++)
                (map.Sizes[d], map.AStride[d], map.OutStride[d]) = (sizes[d], strides[0][d], strides[1][d]);
            return map;
        });
    }

    private void Combine(string label, Arithmetic op, Located a, Located b, Located to)
    {
        var (sizes, strides) = Ordered(a, b, to);
        Add(StepKind.Binary, label, 0, [a, b, to], at =>
        {
            var binary = new BinaryArguments
            {
                A = at(a),
                B = at(b),
                Out = at(to),
                Dims = sizes.Length,
                Op = op,
                OutType = to.IsHalf ? 1 : 0,
            };
            for (var d = 0; d < sizes.Length; d++)
                (binary.Sizes[d], binary.AStride[d], binary.BStride[d], binary.OutStride[d]) = (
                    sizes[d],
                    strides[0][d],
                    strides[1][d],
                    strides[2][d]
                );
            return binary;
        });
    }

    /// <summary>Dimensions in the order of the result's memory, as few as will do: the last one is written element by element.</summary>
    private static (long[] Sizes, long[][] Strides) Ordered(params Located[] operands)
    {
        var target = operands[^1];
        var order = Enumerable.Range(0, target.Dims).OrderByDescending(d => target.Strides[d]).ThenBy(d => d).ToArray();
        return Located.Collapse([
            .. operands.Select(o =>
                o with
                {
                    Sizes = [.. order.Select(d => target.Sizes[d])],
                    Strides = [.. order.Select(d => o.Strides[d])],
                }
            ),
        ]);
    }
}
