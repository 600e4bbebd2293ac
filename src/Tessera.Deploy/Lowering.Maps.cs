using System.Runtime.InteropServices;
using Tessera.Native;

namespace Tessera.Deploy;

/// <summary>
/// Maps brought to one size and added up, together with at most one map that has this size: what a later step computes in one pass.
/// </summary>
/// <param name="Add">The map that has this size; null for none.</param>
/// <param name="Resizes">The calls that resize, all of one operator.</param>
internal sealed record ResizedSum(View? Add, Node[] Resizes)
{
    internal string Label => string.Join('+', Resizes.Select(resize => resize.Name)) + (Add is null ? "" : "+add");
}

// Maps at other sizes: resized by kernels, made finer by transposed convolutions, normalised in groups of channels.
internal sealed unsafe partial class Lowering
{
    /// <summary>Whether a view is its buffer as it is.</summary>
    private static bool IsIdentity(View view) =>
        view.Offset == 0 && view.Sizes.SequenceEqual(view.Of.Sizes) && Order.Same(view.Sizes, view.Strides, view.Of.Strides);

    private static bool IsMap(View? view) => view is { Sizes: [1, _, _, _], Of.Type: DType.Float32 };

    /// <summary>Whether a call brings one map to a size by a kernel's means.</summary>
    private static bool IsResize(Node node) =>
        node.Name is "aten::upsample_bilinear2d" or "aten::upsample_nearest2d"
        && IsMap(node.Input(0))
        // Factors other than the quotient of the sizes move the positions.
        && node.Arguments[(IsBilinear(node) ? 3 : 2)..].All(argument => argument.Tag is Tag.Default or Tag.None);

    private static bool IsBilinear(Node resize) => resize.Name == "aten::upsample_bilinear2d";

    private bool LowerResize(Node node)
    {
        if (!IsResize(node))
            return false;
        Hold(node.Output, new(null, [node]));
        return true;
    }

    /// <summary>A sum of two maps, of which one is still to be resized, becomes one pass.</summary>
    private bool LowerResizedSum(Node node)
    {
        if (!IsSum(node) || (node.Input(0), node.Input(1)) is not ({ } first, { } second))
            return false;
        ResizedSum? one = sums.GetValueOrDefault(first.Of),
            other = sums.GetValueOrDefault(second.Of);
        View[] adds = [.. new[] { one is null ? first : one.Add, other is null ? second : other.Add }.OfType<View>()];
        Node[] resizes = [.. one?.Resizes ?? [], .. other?.Resizes ?? []];
        if (resizes.Length == 0)
            return false;
        sums.Remove(first.Of);
        sums.Remove(second.Of);
        if (adds.Length < 2 && resizes.Length <= ResizeArguments.MostSources && resizes.All(resize => resize.Name == resizes[0].Name))
        {
            Hold(node.Output, new(adds.FirstOrDefault(), resizes));
            return true;
        }
        if (one is not null)
            Emit(one, first.Of);
        if (other is not null)
            Emit(other, second.Of);
        return false;
    }

    private static bool IsSum(Node node) =>
        node.Name == "aten::add"
        && (node.Arguments.Length < 3 || node.Arguments[2].Tag == Tag.Default || node.Arguments[2].Real == 1)
        && node.Output is { Type: DType.Float32, Sizes: [1, _, _, _] }
        && new[] { node.Input(0), node.Input(1) }.All(view => view is not null && IsMap(view) && view.Sizes.SequenceEqual(node.Output.Sizes));

    /// <summary>Leaves a sum to the only call that takes it, where that one can compute it on its way; else computes it.</summary>
    private void Hold(GraphBuffer buffer, ResizedSum sum)
    {
        if (
            OnlyUse(buffer) is { Done: false } use
            && IsIdentity(use.Inputs.First(view => ReferenceEquals(view.Of, buffer)))
            && (IsSum(use) || (use.Name == "aten::cat" && use.Output is { Type: DType.Float32, Sizes: [1, _, _, _] } && use.Int(1, 0) == 1))
        )
            sums[buffer] = sum;
        else
            Emit(sum, buffer);
    }

    // The result lies in rows, as the caller gets it; everything else with its channels together.
    private void Emit(ResizedSum sum, GraphBuffer buffer)
    {
        var target = Fill(buffer, buffer.IsResult ? Order.RowMajor(buffer.Sizes) : Order.ChannelsLast(buffer.Sizes), DType.Float32);
        Emit(sum, target, sum.Label, JoinActivation(buffer));
    }

    private void Emit(ResizedSum sum, Located target, string label, Activation activation) =>
        Resize(
            [.. sum.Resizes.Select(resize => (resize, ChannelsTogether(resize.Input(0)!)))],
            sum.Add is null ? null : ChannelsTogether(sum.Add),
            target,
            label,
            activation
        );

    /// <summary>The activation that is all that happens to a buffer, whose result then is the same memory; none where it is another call.</summary>
    private static Activation JoinActivation(GraphBuffer buffer)
    {
        if (
            OnlyUse(buffer) is not { Outputs.Length: 1 } use
            || ActivationOf(use) is not (not Activation.None and var activation)
            || !Replaces(use.Input(0)!, use.Output)
        )
            return Activation.None;
        use.Done = true;
        use.Output.Alias = new GraphBuffer(buffer.Sizes, buffer.Strides, buffer.Type) { Place = buffer.Place };
        return activation;
    }

    private Located ChannelsTogether(View map)
    {
        var located = Float(Find(map));
        return located.Strides[1] == 1 || located.Sizes[1] == 1
            ? located
            : Copied(located, Order.ChannelsLast(located.Sizes), DType.Float32);
    }

    // target = activation(add + maps, each resized as its call says)
    private void Resize((Node Call, Located Map)[] maps, Located? add, Located target, string label, Activation activation)
    {
        var tables = maps.Select(map =>
            {
                var (rows, down) = Between(map.Call, 2, map.Map.Strides[2]);
                var (columns, across) = Between(map.Call, 3, map.Map.Strides[3]);
                return (
                    Rows: constants.Offsets(rows),
                    Columns: constants.Offsets(columns),
                    Down: down is null ? 0 : constants.Floats(down),
                    Across: across is null ? 0 : constants.Floats(across)
                );
            })
            .ToArray();
        Add(StepKind.Resize, label, 0, [.. maps.Select(map => map.Map), add, target], at =>
        {
            var resize = new ResizeArguments
            {
                Add = at(add),
                Out = at(target),
                Channels = target.Sizes[1],
                Height = target.Sizes[2],
                Width = target.Sizes[3],
                Count = maps.Length,
                Activation = activation,
            };
            var sources = MemoryMarshal.CreateSpan(ref resize.First, ResizeArguments.MostSources);
            for (var i = 0; i < maps.Length; i++)
                sources[i] = new()
                {
                    Input = at(maps[i].Map),
                    Rows = tables[i].Rows,
                    Columns = tables[i].Columns,
                    RowShares = tables[i].Down,
                    ColumnShares = tables[i].Across,
                };
            for (var i = 0; i < 3; i++)
                resize.OutStride[i] = target.Strides[i + 1];
            for (var i = 0; i < 2 && add is not null; i++)
                resize.AddStride[i] = add.Strides[i + 2];
            return resize;
        });
    }

    /// <summary>
    /// Between which positions of its input those of a resized dimension lie, the lower and the higher one in turn, and the shares of the
    /// higher ones; none where the lower one alone counts. In float32, as the engine computes them.
    /// </summary>
    private static (long[] Offsets, float[]? Shares) Between(Node resize, int dim, long stride)
    {
        var (from, to) = (resize.Input(0)!.Sizes[dim], resize.Output.Sizes[dim]);
        var (offsets, shares) = (new long[2 * to], new float[to]);
        var aligned = IsBilinear(resize) && resize.Int(2, 0) != 0;
        var scale =
            !aligned ? (float)from / to
            : to > 1 ? (float)(from - 1) / (to - 1)
            : 0;
        for (var i = 0; i < to; i++)
        {
            var real =
                from == to ? i
                : aligned || !IsBilinear(resize) ? scale * i
                : Math.Max(0, (scale * (i + 0.5f)) - 0.5f);
            var low = Math.Min((long)real, from - 1);
            (offsets[2 * i], offsets[(2 * i) + 1]) = (low * stride, Math.Min(low + 1, from - 1) * stride);
            shares[i] = Math.Clamp(real - low, 0, 1);
        }
        return (offsets, IsBilinear(resize) ? shares : null);
    }

    private bool LowerGroupNorm(Node node)
    {
        if (node.Input(0) is not { } view || !IsMap(view))
            return false;
        var left = Pixels(view, DType.Float32);
        nint Values(int argument) => node.Constant(argument) is { } tensor ? constants.Floats(tensor).Constant : 0;
        var (groups, weight, bias, eps) = (
            node.Int(1, 1),
            Values(2),
            Values(3),
            node.Arguments.Length > 4 && node.Arguments[4].Tag != Tag.Default ? node.Arguments[4].Real : 1e-5
        );
        var target = Fill(node.Output, Order.ChannelsLast(node.Output.Sizes), DType.Float32);
        var activation = JoinActivation(node.Output);
        var label = activation == Activation.None ? node.Name : $"{node.Name}+{activation.ToString().ToLowerInvariant()}";
        Add(StepKind.GroupNorm, label, 0, [left.At, target], at => new GroupNormArguments
        {
            Input = at(left.At),
            Weight = weight,
            Bias = bias,
            Out = at(target),
            Positions = left.Rows,
            Channels = left.Depth,
            Groups = groups,
            InputStride = left.Stride,
            OutStride = left.Depth,
            Eps = eps,
            Activation = activation,
        });
        return true;
    }

    /// <summary>
    /// A transposed convolution whose squares do not overlap: each row of pixels gives as many rows of the result as the kernel has, each of
    /// them by one product. A 1 x 1 convolution right behind it is multiplied in where that is less work.
    /// </summary>
    private bool LowerConvTranspose(Node node)
    {
        if (
            node.Constant(1) is not { Dim: 4 } weight
            || node.Input(0) is not { } view
            || !IsMap(view)
            || node.Int(6, 1) != 1
            || node.Pair(4, 0) is not [0, 0]
            || node.Pair(5, 0) is not [0, 0]
            || node.Pair(7, 1) is not [1, 1]
            || node.Pair(3, 1) is var step && (step[0] != weight.Size(2) || step[1] != weight.Size(3))
        )
            return false;
        var (last, depth, high, wide) = (node, view.Sizes[1], step[0], step[1]);
        var taps = weight.To(DType.Float64).Permute(2, 3, 1, 0); // [high, wide, out, in]
        var shift = node.Constant(2)?.To(DType.Float64);
        if (
            OnlyUse(node.Output) is { } next
            && IsPointwise(next)
            && IsIdentity(next.Input(0)!)
            && !mixes.ContainsKey(next)
            && next.Constant(1)!.Size(0) is var outs
            && depth * outs <= (depth + outs) * weight.Size(1)
        )
        {
            (taps, shift) = After(next, taps, shift);
            next.Done = true;
            last = next;
        }
        var sizes = last.Output.Sizes;
        var order = Order.ChannelsLast(sizes);
        var ending = End(last, 1, order, joinsResidual: false);
        var label = ReferenceEquals(last, node) ? ending.Label : $"{node.Name}+{ending.Label}";
        var repeated = ending with { Scale = Repeat(ending.Scale, wide), Shift = Repeat(ending.Shift, wide) };
        var target = Placed(last.Output, ending, order);
        var left = Pixels(view, HalfPixels(last, depth));
        for (var i = 0; i < high; i++)
        {
            var (values, shifts) = Scaled(
                taps.Select(0, i).Contiguous().ToArray<float>(),
                Repeat(shift?.ToArray<float>(), wide),
                repeated
            );
            for (var y = 0L; y < view.Sizes[2]; y++)
            {
                var from = left.At with { Offset = left.At.Offset + (y * view.Sizes[3] * left.Stride) };
                var to = target with { Offset = ((y * high) + i) * order[2] };
                Multiply(
                    label,
                    left with
                    {
                        At = from,
                        Rows = view.Sizes[3],
                    },
                    values,
                    shifts,
                    new(null, 0),
                    new(to, wide * sizes[1]),
                    ending.Activation
                );
            }
        }
        return true;
    }

    private static float[]? Repeat(float[]? values, int times) =>
        values is null ? null : [.. Enumerable.Repeat(values, times).SelectMany(copy => copy)];

    /// <summary>Weights [..., out, in] and shift of a linear map that a 1 x 1 convolution follows, both together.</summary>
    private static (Tensor Weights, Tensor? Shift) After(Node conv, Tensor weights, Tensor? shift)
    {
        var outer = conv.Constant(1)!.To(DType.Float64).Flatten(1);
        return (outer.Matmul(weights), Sum(shift is null ? null : outer.Matmul(shift), conv.Constant(2)?.To(DType.Float64)));
    }

    private static Tensor? Sum(Tensor? a, Tensor? b) =>
        a is null ? b
        : b is null ? a
        : a + b;

    /// <summary>Whether a call is a linear map of each position of a map.</summary>
    private static bool IsPointwise(Node node) =>
        node.Name == "aten::conv2d"
        && node.Constant(1) is { Dim: 4 } weight
        && weight.Size(2) == 1
        && weight.Size(3) == 1
        && IsMap(node.Input(0))
        && node.Pair(3, 1) is [1, 1]
        && node.Arguments[4].Tag != Tag.String
        && node.Pair(4, 0) is [0, 0]
        && node.Int(6, 1) == 1;
}
