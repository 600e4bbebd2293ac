using Tessera.Native;
using Tessera.Testing;

namespace Tessera.Tests.Native;

/// <summary>Every error of the engine is a typed exception with a message that helps; none ends the process.</summary>
public sealed class ErrorTests : LiveTensors
{
    [Fact]
    public void An_unknown_operator()
    {
        var error = Assert.Throws<UnknownOperatorException>(() => Raw.Call("aten::no_such_thing", ""));
        Assert.Contains($"no operator aten::no_such_thing in libtorch {Torch.Version}", error.Message, StringComparison.Ordinal);
        Assert.Throws<UnknownOperatorException>(() => Raw.Call("aten::add", "NoSuchOverload"));
        Assert.False(Torch.HasOperator("aten::no_such_thing"));
        Assert.True(Torch.HasOperator("aten::add", "Tensor"));
        Assert.Contains(Torch.AllSchemas(), schema => schema.StartsWith("aten::relu(", StringComparison.Ordinal));
    }

    public static TheoryData<string, string, string> Mismatches =>
        new()
        {
            { "matmul", "[2, 3]", "[4, 5]" },
            { "add", "[2, 3]", "[4, 5]" },
            { "linear", "[2, 3]", "[4, 5]" },
            { "cat", "[2, 3]", "[4, 5]" },
            { "conv2d", "[1, 3, 8, 8]", "[4, 5, 3, 3]" },
            { "view", "[2, 3]", "[7]" },
            { "expand", "[2, 3]", "[4, 5]" },
            { "layer_norm", "[2, 3]", "[5]" },
            { "bmm", "[2, 3, 4]", "[2, 5, 6]" },
            { "copy", "[2, 3]", "[4, 5]" },
            { "stack", "[2, 3]", "[4, 5]" },
        };

    [Theory]
    [MemberData(nameof(Mismatches))]
    public void Shapes_that_do_not_fit_are_both_named(string operation, string first, string second)
    {
        using var scope = Torch.Scope();
        Tensor Zeros(string shape) => Torch.Zeros([.. shape.Trim('[', ']').Split(", ").Select(long.Parse)]);
        var (a, b) = (Zeros(first), Zeros(second));
        var error = Assert.Throws<ShapeException>(() =>
            operation switch
            {
                "matmul" => a.Matmul(b),
                "add" => a + b,
                "linear" => Torch.Linear(a, b),
                "cat" => Torch.Cat([a, b]),
                "conv2d" => Torch.Conv2d(a, b),
                "view" => a.View(b.Shape),
                "expand" => a.Expand(b.Shape),
                "layer_norm" => Torch.LayerNorm(a, b.Shape),
                "bmm" => a.Bmm(b),
                "stack" => Torch.Stack([a, b]),
                _ => a.Copy_(b),
            }
        );
        Assert.Contains(first, error.Message, StringComparison.Ordinal);
        Assert.Contains(second, error.Message, StringComparison.Ordinal);
        Assert.Contains("[aten::", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_dimension_that_is_not_there()
    {
        var x = Torch.Zeros([2, 3]);
        Assert.Contains("float", Assert.Throws<ShapeException>(() => x.Sum(2)).Message, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("[2, 3]", Assert.Throws<ShapeException>(() => x.Size(2)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_index_outside_its_dimension()
    {
        var x = Torch.Zeros([2, 3]);
        Assert.Throws<TorchIndexException>(() => x[5]);
        Assert.ThrowsAny<TorchException>(() => x.Index([Tensor.From([7L])]));
        Assert.ThrowsAny<TorchException>(() => Torch.Embedding(x, Tensor.From([9L])));
    }

    [Fact]
    public void Memory_that_is_not_there_is_named_in_size()
    {
        var error = Assert.Throws<TorchOutOfMemoryException>(() => Torch.Empty([1L << 40, 1 << 10]));
        Assert.Contains("4503599627370496", error.Message, StringComparison.Ordinal);
        Assert.Contains("[1099511627776, 1024]", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kernel_that_is_not_there()
    {
        var integers = Torch.Ones([2, 2], DType.Int64);
        Assert.ThrowsAny<TorchException>(() => integers.Softmax(0));
        Assert.Throws<TorchNotSupportedException>(() => Torch.Zeros([2], device: new Device(DeviceType.Cuda, 0)));
    }

    // Libraries that come with libtorch may take the signal that .NET finds it by: UCX in Debian 13 ended the process.
    [Fact]
    public void A_null_reference_is_still_an_exception()
    {
        _ = Torch.Version;
        Assert.Throws<NullReferenceException>(() => Length(null!));

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static int Length(string text) => text.Length;
    }

    [Theory]
    [InlineData(0, typeof(TorchOutOfMemoryException), "out of memory")]
    [InlineData(1, typeof(TorchException), "foreign C++ exception of type i")]
    [InlineData(2, typeof(TorchException), "foreign C++ exception of type")]
    [InlineData(3, typeof(TorchException), "a runtime error")]
    [InlineData(4, typeof(TorchException), "an engine error")]
    [InlineData(5, typeof(TorchIndexException), "an index error")]
    [InlineData(6, typeof(TorchTypeException), "a type error")]
    [InlineData(7, typeof(TorchValueException), "a value error")]
    [InlineData(8, typeof(TorchNotSupportedException), "not implemented here")]
    [InlineData(9, typeof(TorchException), "out of range")]
    [InlineData(10, typeof(CommunicationException), "Application timeout caused pair closure")]
    [InlineData(99, typeof(TorchException), "unknown request")]
    public void Every_kind_of_exception_arrives(int what, Type type, string message)
    {
        var error = Record.Exception(() => Dispatcher.Check(Imports.Raise(what)));
        Assert.IsType(type, error);
        Assert.Contains(message, error!.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception raised from", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Errors_of_threads_do_not_mix() => Parallel.For(0, 64, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            using var scope = Torch.Scope();
            var error = Assert.Throws<ShapeException>(() => Torch.Zeros([2, i + 3]) + Torch.Zeros([2, i + 100]));
            Assert.Contains($"[2, {i + 3}]", error.Message, StringComparison.Ordinal);
        });

    [Fact]
    public void Cuda_says_what_it_is_without()
    {
        Assert.Equal(Cuda.Count > 0, Cuda.IsAvailable);
        if (Cuda.IsAvailable)
            return;
        Assert.Throws<TorchNotSupportedException>(() => Cuda.Synchronize());
        Assert.Throws<TorchNotSupportedException>(() => Cuda.Memory());
        Cuda.EmptyCache();
    }
}
