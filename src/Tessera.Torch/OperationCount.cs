using Tessera.Native;

namespace Tessera;

/// <summary>
/// Counts multiply-accumulate operations and activations of the operators that run on its thread while it is open:
/// convolutions, linear maps and matrix products, as the papers count them.
/// </summary>
public sealed unsafe class OperationCount : ThreadRegion
{
    private readonly Observer observer;
    private CallObserver? outer;

    /// <summary>Starts counting on this thread.</summary>
    public OperationCount()
        : base("a count of operations")
    {
        observer = new Observer(this);
        Begin();
    }

    private protected override void Enter() => (outer, CallObserver.Current) = (CallObserver.Current, observer);

    private protected override void Leave() => CallObserver.Current = outer;

    private protected override bool IsInnermost => CallObserver.Current == observer;

    /// <summary>Multiply-accumulates of convolutions and of maps by weights.</summary>
    public long WeightMacs { get; private set; }

    /// <summary>Multiply-accumulates of products of activations with each other (attention).</summary>
    public long AttentionMacs { get; private set; }

    /// <summary>Multiply-accumulates of signs with each other, which are part of <see cref="WeightMacs"/>.</summary>
    public long BinaryMacs { get; private set; }

    /// <summary>All multiply-accumulates.</summary>
    public long Macs => WeightMacs + AttentionMacs;

    /// <summary>Elements that the counted operators put out.</summary>
    public long Activations { get; private set; }

    private sealed class Observer(OperationCount count) : CallObserver
    {
        internal override void Called(string name, string overload, Value* arguments, int argumentCount, Value* results, int returned)
        {
            count.outer?.Called(name, overload, arguments, argumentCount, results, returned);
            switch (name)
            {
                case "aten::linear":
                    Weight(Elements(results[0]) * Sizes(arguments[1])[^1], results[0]);
                    break;
                case "aten::conv1d" or "aten::conv2d" or "aten::conv3d":
                    // Every output sums over the inputs of its group and the kernel: all sizes of the weight but the first.
                    Weight(Elements(results[0]) * Product(Sizes(arguments[1])[1..]), results[0]);
                    break;
                case "tessera::binary_conv2d":
                    // Channels of a group times the points of the kernel.
                    var kernel = new ReadOnlySpan<long>((void*)arguments[3].Payload, arguments[3].Count);
                    var channels = Sizes(arguments[0])[1] / arguments[7].Payload;
                    var signs = Elements(results[0]) * channels * kernel[0] * kernel[^1];
                    Weight(signs, results[0]);
                    count.BinaryMacs += signs;
                    break;
                case "aten::conv_transpose1d" or "aten::conv_transpose2d":
                    Weight(Elements(arguments[0]) * Product(Sizes(arguments[1])[1..]), results[0]);
                    break;
                case "aten::matmul" or "aten::bmm" or "aten::mm" or "aten::mv":
                    Product(Elements(results[0]) * Sizes(arguments[0])[^1], results[0]);
                    break;
                case "aten::addmm" or "aten::baddbmm":
                    Product(Elements(results[0]) * Sizes(arguments[1])[^1], results[0]);
                    break;
                case "aten::einsum":
                    Product(EinsumMacs(arguments[0], arguments[1]), results[0]);
                    break;
                case "tessera::dcnv3":
                    // Four corners and the modulation per channel and point, as its authors count.
                    var points = Sizes(arguments[2])[^1] / arguments[3].Payload;
                    Product(5 * Elements(results[0]) * points, results[0]);
                    break;
                case "aten::scaled_dot_product_attention" or "tessera::attention":
                    var query = Sizes(arguments[0]);
                    var scores = Product(query[..^1]) * Sizes(arguments[1])[^2];
                    Product(scores * (query[^1] + Sizes(arguments[2])[^1]), results[0]);
                    count.Activations += scores;
                    break;
            }
        }

        private void Weight(long macs, Value output)
        {
            count.WeightMacs += macs;
            count.Activations += Elements(output);
        }

        private void Product(long macs, Value output)
        {
            count.AttentionMacs += macs;
            count.Activations += Elements(output);
        }

        // The product of the sizes of all distinct letters and of what an ellipsis stands for, the larger where it broadcasts.
        private static long EinsumMacs(Value equation, Value tensors)
        {
            var text = System
                .Text.Encoding.UTF8.GetString((byte*)equation.Payload, equation.Count)
                .Replace(" ", "", StringComparison.Ordinal);
            var inputs = text.Split("->")[0].Split(',');
            var sizes = new Dictionary<(char Letter, int FromEnd), long>();
            for (var i = 0; i < tensors.Count; i++)
            {
                var shape = Shape(((nint*)tensors.Payload)[i]);
                var parts = inputs[i].Split("...");
                for (var k = 0; k < shape.Length; k++)
                {
                    var fromEnd = shape.Length - k;
                    var name =
                        k < parts[0].Length ? (parts[0][k], 0)
                        : fromEnd <= parts[^1].Length ? (parts[^1][^fromEnd], 0)
                        : ('.', fromEnd - parts[^1].Length);
                    sizes[name] = Math.Max(sizes.GetValueOrDefault(name), shape[k]);
                }
            }
            return Product([.. sizes.Values]);
        }

        private static long[] Sizes(Value value) => Shape((nint)value.Payload);

        private static long[] Shape(nint handle)
        {
            TensorInfo info;
            Dispatcher.Check(Imports.TensorInfo(handle, &info));
            return new Span<long>(info.Sizes, info.Dimensions).ToArray();
        }

        private static long Elements(Value value) => Product(Sizes(value));

        private static long Product(long[] sizes) => sizes.Aggregate(1L, (product, size) => product * size);
    }
}
