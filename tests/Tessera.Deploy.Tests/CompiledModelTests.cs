using Tessera.Deploy;
using Tessera.Models;
using Tessera.Testing;
using Tessera.Tests.Models;

namespace Tessera.Tests.Deploy;

/// <summary>Compiled models against the models that they were made from.</summary>
public class CompiledModelTests : LiveTensors
{
    // SReT draws permutations anew for every batch: it has a test of its own. Models of texts are refused.
    public static TheoryData<string> Names =>
        [
            .. Reduced.Names.Where(name =>
                !name.StartsWith("sret", StringComparison.Ordinal) && !name.StartsWith("text", StringComparison.Ordinal)
            ),
        ];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_model_gives_the_logits_that_it_gave_before(string name)
    {
        using var scope = Torch.Scope();
        var (model, images) = Prepared(Reduced.Create(name), 3);
        var expected = model.Call(images);
        foreach (var threads in new[] { 1, 2 })
        {
            using var compiled = model.Compile(new() { Threads = threads });
            Near.Equal(expected, compiled.Call(images), 1e-5);
            Near.Equal(expected[..1], compiled.Call(images[..1]), 1e-5);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_model_gives_the_embeddings_that_it_gave_before(string name)
    {
        using var scope = Torch.Scope();
        var (model, images) = Prepared(Reduced.Create(name), 3);
        var expected = model.ForwardEmbedding(images);
        Assert.Equal([3, model.NumFeatures], expected.Shape);
        foreach (var threads in new[] { 1, 2 })
        {
            using var compiled = model.Compile(new() { Threads = threads, Embedding = true });
            Near.Equal(expected, compiled.Call(images), 1e-5);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_model_gives_about_the_same_logits_in_bfloat16(string name)
    {
        using var scope = Torch.Scope();
        var (model, images) = Prepared(Reduced.Create(name), 2);
        var expected = model.Call(images);
        using var compiled = model.Compile(new() { Precision = DType.BFloat16, Threads = 1 });
        // Type of the result and the size of the difference: products of 8 bits in a few layers.
        var difference = (compiled.Call(images) - expected).Norm().ToDouble() / expected.Norm().ToDouble();
        // Where tokens are chosen by a score, bfloat16 may choose others.
        Assert.InRange(difference, 0, name.StartsWith("dynamicvit", StringComparison.Ordinal) ? 0.2 : 0.05);
    }

    [Theory]
    [InlineData("avx512_bf16")]
    [InlineData("avx512")]
    [InlineData("avx2")]
    [InlineData("plain")]
    public void All_kernels_that_the_processor_runs_agree(string kernels) => WithKernels.Run(kernels, () =>
        {
            using var scope = Torch.Scope();
            foreach (
                var name in new[] { "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "cvt_13", "pvt_v2_b0", "resnet20_cifar" }.Where(
                    Reduced.Names.Contains
                )
            )
            {
                var (model, images) = Prepared(Reduced.Create(name), 2);
                var expected = model.Call(images);
                using var exact = model.Compile(new() { Threads = 1 });
                Near.Equal(expected, exact.Call(images), 1e-5);
                using var half = model.Compile(new() { Precision = DType.BFloat16, Threads = 1 });
                Near.Equal(expected, half.Call(images), 0.05);
            }
        });

    // Rows of a patch are moved in whole vectors of 4, 8 or 16, up to the very end of an image.
    [Theory]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(16)]
    [InlineData(20)]
    [InlineData(33)]
    public void Patches_of_any_width_are_gathered(int patch)
    {
        using var scope = Torch.Scope();
        var (model, images) = Prepared(new Vit(new((3 * patch, 2 * patch), patch, 24, 1, 2, Classes: 5, Channels: 2)), 3);
        var expected = model.Call(images);
        foreach (var threads in new[] { 1, 2 })
        {
            using var compiled = model.Compile(new() { Threads = threads });
            Near.Equal(expected, compiled.Call(images), 1e-5);
            Near.Equal(expected[2..], compiled.Call(images[2..]), 1e-5);
            using var half = model.Compile(new() { Precision = DType.BFloat16, Threads = threads });
            Near.Equal(expected, half.Call(images), 0.05);
        }
    }

    [Fact]
    public void Random_permutations_are_drawn_anew()
    {
        using var scope = Torch.Scope();
        var (model, images) = Prepared(Registry.Create("sret_micro_64"), 1);
        using var compiled = model.Compile(new() { Threads = 1 });
        Torch.Seed(3);
        var first = compiled.Call(images);
        var second = compiled.Call(images);
        Assert.NotEqual(first.ToArray<float>(), second.ToArray<float>());
        Torch.Seed(3);
        Near.Identical(first, compiled.Call(images));
        Torch.Seed(3);
        Near.Equal(model.Call(images), first, 1e-5);
    }

    [Fact]
    public void Another_size_of_image_is_compiled_when_it_comes()
    {
        using var scope = Torch.Scope();
        var (model, _) = Prepared(Registry.Create("resnet20_cifar"), 1);
        using var compiled = model.Compile(new() { Threads = 1 });
        var wide = Torch.Randn([2, 3, 24, 40]);
        Near.Equal(model.Call(wide), compiled.Call(wide), 1e-5);
    }

    [Fact]
    public void Inference_mode_outside_does_not_matter_to_its_threads()
    {
        using var scope = Torch.Scope();
        // Its pooling is a call of the engine, into memory that was made in inference mode.
        var (model, images) = Prepared(Registry.Create("cct_2_3x2_32", new() { Classes = 10 }), 4);
        var expected = model.Call(images);
        using var inference = Torch.Inference();
        using var compiled = model.Compile(new() { Threads = 2 });
        Near.Equal(expected, compiled.Call(images), 1e-5);
    }

    [Fact]
    public void Later_changes_of_the_weights_do_not_reach_it()
    {
        using var scope = Torch.Scope();
        var (model, images) = Prepared(Registry.Create("vit_micro_patch4_32"), 1);
        var before = model.Call(images);
        using var compiled = model.Compile(new() { Threads = 1 });
        using (Torch.NoGrad())
            foreach (var parameter in model.Parameters())
                parameter.Zero_();
        Near.Equal(before, compiled.Call(images), 1e-5);
    }

    [Fact]
    public void A_call_makes_one_tensor_and_little_garbage()
    {
        using var scope = Torch.Scope();
        var (model, images) = Prepared(Registry.Create("vit_micro_patch4_32"), 2);
        using var compiled = model.Compile(new() { Threads = 1 });
        compiled.Call(images);
        var (tensors, bytes) = (Tensor.LiveCount, GC.GetAllocatedBytesForCurrentThread());
        for (var i = 0; i < 10; i++)
            compiled.Call(images).Dispose();
        Assert.Equal(tensors, Tensor.LiveCount);
        Assert.InRange((GC.GetAllocatedBytesForCurrentThread() - bytes) / 10, 0, 2048);
    }

    [Fact]
    public void An_empty_batch_gives_no_logits()
    {
        using var scope = Torch.Scope();
        var (model, _) = Prepared(Registry.Create("vit_micro_patch4_32"), 1);
        using var compiled = model.Compile();
        Assert.Equal(new Shape(0, 1000), compiled.Call(Torch.Zeros([0, 3, 32, 32])).Shape);
    }

    [Fact]
    public void What_cannot_be_compiled_is_refused_with_the_reason()
    {
        using var scope = Torch.Scope();
        var (model, _) = Prepared(Registry.Create("vit_micro_patch4_32"), 1);
        Assert.Contains(
            "float32 or bfloat16",
            Assert.Throws<ArgumentException>(() => model.Compile(new() { Precision = DType.Float16 })).Message,
            StringComparison.Ordinal
        );
        Assert.Throws<ArgumentOutOfRangeException>(() => model.Compile(new() { Threads = 0 }));
        using (var compiled = model.Compile())
            Assert.Contains(
                "[B, 3, 32, 32]",
                Assert.Throws<ShapeException>(() => compiled.Call(Torch.Zeros([1, 4, 32, 32]))).Message,
                StringComparison.Ordinal
            );
        model.Train();
        Assert.Contains("Eval()", Assert.Throws<InvalidOperationException>(() => model.Compile()).Message, StringComparison.Ordinal);
        model.Eval();
        model.To(dtype: DType.Float64);
        Assert.Contains("float64", Assert.Throws<NotSupportedException>(() => model.Compile()).Message, StringComparison.Ordinal);
        var text = Reduced.Create(Reduced.Names.First(name => name.StartsWith("text", StringComparison.Ordinal)));
        text.Eval();
        Assert.Contains("text model", Assert.Throws<NotSupportedException>(() => text.Compile()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_profile_names_every_step_and_counts_as_the_model_does()
    {
        using var scope = Torch.Scope();
        var (model, images) = Prepared(Registry.Create("vit_micro_patch4_32"), 1);
        using var compiled = model.Compile(new() { Threads = 1 });
        var steps = compiled.Profile(2);
        Assert.True(steps.Sum(step => step.Milliseconds) > 0);
        using var count = new OperationCount();
        model.Call(images);
        Assert.Equal(count.Macs, steps.Sum(step => step.Macs));
    }

    /// <summary>A model in evaluation whose parameters and statistics are none of them trivial, and images of its size.</summary>
    private static (Backbone Model, Tensor Images) Prepared(Backbone model, int count)
    {
        Nontrivial.Prepare(model);
        return (model, Torch.Randn([count, model.Channels, model.ImageSize.Height, model.ImageSize.Width]));
    }
}
