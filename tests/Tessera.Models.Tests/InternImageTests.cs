using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public class InternImageTests
{
    private static readonly InternImage.Config Small = new((32, 64), 16, [1, 1, 2, 1], [2, 4, 8, 16], 5);
    private static readonly DeformableSampling Plain3 = new(2, (3, 3), (1, 1), (1, 1), (1, 1));

    // Offsets away from whole pixels, where both derivatives agree.
    private static Tensor[] Inputs(DeformableSampling s, long batch, long height, long width, int depth, DType type)
    {
        var value = Torch.Randn([batch, height, width, s.Groups * depth], type);
        var rows = (height + 2 * s.Padding.Height - s.Dilation.Height * (s.Kernel.Height - 1) - 1) / s.Stride.Height + 1;
        var columns = (width + 2 * s.Padding.Width - s.Dilation.Width * (s.Kernel.Width - 1) - 1) / s.Stride.Width + 1;
        var offset =
            Torch.Randint(-2, 2, [batch, rows, columns, s.Groups * s.Points * 2], dtype: type)
            + Torch.Uniform([batch, rows, columns, s.Groups * s.Points * 2], 0.15, 0.35, type);
        var mask = Torch.Rand([batch, rows, columns, s.Groups * s.Points], type);
        return [.. new[] { value, offset, mask }.Select(t => t.Detach())];
    }

    public static TheoryData<DeformableSampling, int> Geometries =>
        new()
        {
            { Plain3, 4 },
            { Plain3 with { OffsetScale = 2, RemoveCenter = true }, 16 },
            { new(1, (3, 5), (2, 1), (0, 2), (1, 2)), 32 },
            { new(3, (1, 3), (1, 2), (1, 0), (3, 1), 0.5), 70 },
            { new(2, (2, 2), (1, 1), (2, 1), (1, 1)), 3 },
        };

    [Theory]
    [MemberData(nameof(Geometries))]
    public void The_fused_kernel_computes_what_the_plain_composition_does(DeformableSampling sampling, int depth)
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var inputs = Inputs(sampling, 2, 6, 7, depth, DType.Float64);
        foreach (var input in inputs)
            input.RequiresGrad = true;
        var fused = sampling.Apply(inputs[0], inputs[1], inputs[2]);
        var plain = sampling.Plain(inputs[0], inputs[1], inputs[2]);
        Near.Equal(plain, fused, 1e-12);
        var weights = Torch.Randn(plain.Shape, DType.Float64);
        var expected = Autograd.Grad([(plain * weights).Sum()], inputs);
        var actual = Autograd.Grad([(fused * weights).Sum()], inputs);
        for (var i = 0; i < inputs.Length; i++)
            Near.Equal(expected[i]!, actual[i]!, 1e-11);
    }

    [Fact]
    public void Gradients_of_the_fused_kernel_match_differences_of_values()
    {
        using var scope = Torch.Scope();
        Torch.Seed(4);
        var sampling = new DeformableSampling(2, (3, 3), (2, 1), (1, 1), (1, 2), 1.25);
        var inputs = Inputs(sampling, 1, 4, 5, 2, DType.Float64);
        foreach (var input in inputs)
            input.RequiresGrad = true;
        GradientCheck.Holds(x => sampling.Apply(x[0], x[1], x[2]), inputs);
    }

    [Fact]
    public void At_whole_pixels_the_gradient_of_an_offset_is_the_one_to_the_right_and_below()
    {
        using var scope = Torch.Scope();
        var sampling = new DeformableSampling(1, (1, 1), (1, 1), (0, 0), (1, 1));
        var value = (Torch.Arange(12, dtype: DType.Float64).Square()).Reshape(1, 3, 4, 1);
        var offset = Torch.Zeros([1, 3, 4, 2], DType.Float64);
        offset.RequiresGrad = true;
        var gradient = Autograd.Grad([sampling.Apply(value, offset, Torch.Ones([1, 3, 4, 1], DType.Float64)).Sum()], [offset])[0]!;
        // Pixel 5 lies at (1, 1): its right neighbour is 36, the one below 81.
        Assert.Equal([36.0 - 25, 81 - 25], gradient[0, 1, 1].ToArray<double>());
    }

    [Fact]
    public void In_bfloat16_the_kernel_stays_near_float32()
    {
        using var scope = Torch.Scope();
        Torch.Seed(5);
        var inputs = Inputs(Plain3, 2, 8, 8, 16, DType.Float32).Select(t => t.To(DType.BFloat16)).ToArray();
        var exact = Plain3.Apply(inputs[0].To(DType.Float32), inputs[1].To(DType.Float32), inputs[2].To(DType.Float32));
        Near.Equal(exact, Plain3.Apply(inputs[0], inputs[1], inputs[2]).To(DType.Float32), 0.01);
    }

    [Fact]
    public void The_result_does_not_depend_on_the_number_of_threads()
    {
        using var scope = Torch.Scope();
        Torch.Seed(6);
        var inputs = Inputs(Plain3, 3, 20, 20, 16, DType.Float32);
        foreach (var input in inputs)
            input.RequiresGrad = true;
        var before = Torch.Threads;
        try
        {
            Tensor[] Run(int threads)
            {
                Torch.Threads = threads;
                var y = Plain3.Apply(inputs[0], inputs[1], inputs[2]);
                return [y, .. Autograd.Grad([y.Square().Sum()], inputs).Select(g => g!)];
            }

            foreach (var (one, two) in Run(1).Zip(Run(2)))
                Near.Identical(one, two);
        }
        finally
        {
            Torch.Threads = before;
        }
    }

    [Fact]
    public void Positions_that_are_far_away_or_no_numbers_sample_nothing()
    {
        using var scope = Torch.Scope();
        var sampling = new DeformableSampling(1, (1, 1), (1, 1), (0, 0), (1, 1));
        var value = Torch.Ones([1, 1, 4, 2]);
        var offset = Tensor.From([1e30f, 0, float.NaN, 0, float.NegativeInfinity, 0, 0, 0], 1, 1, 4, 2);
        Near.Values(sampling.Apply(value, offset, Torch.Ones([1, 1, 4, 1])), 0, 0, 0, 0, 0, 0, 0, 1, 1);
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_named()
    {
        using var scope = Torch.Scope();
        var inputs = Inputs(Plain3, 1, 4, 4, 4, DType.Float32);
        var refusal = Assert.Throws<ShapeException>(() => Plain3.Apply(inputs[0], inputs[1].Slice(3, 0, 10), inputs[2]));
        Assert.Contains("the offset has to be [1, 4, 4, 36]", refusal.Message, StringComparison.Ordinal);
        Assert.ThrowsAny<Exception>(() => (Plain3 with { Groups = 3 }).Apply(inputs[0], inputs[1], inputs[2]));
    }

    [Fact]
    public void Gradients_of_gradients_of_the_kernel_are_refused_rather_than_wrong()
    {
        using var scope = Torch.Scope();
        var inputs = Inputs(Plain3, 1, 4, 4, 4, DType.Float32);
        inputs[0].RequiresGrad = true;
        var y = Plain3.Apply(inputs[0], inputs[1], inputs[2]).Square().Sum();
        Assert.ThrowsAny<Exception>(() => Autograd.Grad([y], [inputs[0]], createGraph: true));
    }

    [Fact]
    public void A_fresh_layer_is_a_mean_over_three_by_three_pixels()
    {
        using var scope = Torch.Scope();
        Torch.Seed(7);
        var layer = new Dcnv3(8, 2);
        using (Torch.NoGrad())
            foreach (var name in new[] { "input_proj", "output_proj" })
                layer.StateDict()[$"{name}.weight"].Copy_(Torch.Eye(8));
        var x = Torch.Randn([1, 5, 6, 8]);
        var expected = x.Permute(0, 3, 1, 2).AvgPool2d(3, 1, 1).Permute(0, 2, 3, 1);
        Near.Equal(expected, layer.Call(x), 1e-5);
    }

    [Fact]
    public void A_shifted_image_has_shifted_features_in_the_interior()
    {
        using var scope = Torch.Scope();
        Torch.Seed(8);
        // Without global norms over positions every map moves with the image; one level has stride 4.
        var model = new InternImage(new((64, 64), 16, [1], [2], 0));
        model.Eval();
        var image = Torch.Randn([1, 3, 64, 64]);
        var here = model.ForwardFeatures(image);
        var there = model.ForwardFeatures(image.Roll([4, 4], [2, 3]));
        Near.Equal(here[.., .., 4..11, 4..11], there[.., .., 5..12, 5..12], 1e-5);
    }

    [Fact]
    public void Maps_blocks_heads_and_sizes_answer_as_all_models_do()
    {
        using var scope = Torch.Scope();
        var model = new InternImage(Small);
        model.Eval();
        var image = Torch.Randn([2, 3, 32, 64]);
        var maps = model.ForwardFeatureMaps(image);
        Assert.Equal([4, 8, 16, 32], maps.Select(m => m.Stride));
        Assert.Equal(
            [new Shape(2, 16, 8, 16), new Shape(2, 32, 4, 8), new Shape(2, 64, 2, 4), new Shape(2, 128, 1, 2)],
            maps.Select(m => m.Map.Shape)
        );
        Assert.Equal(5, model.ForwardIntermediates(image).Count);
        Assert.Equal(new Shape(2, 192), model.ForwardHead(model.ForwardFeatures(image), preLogits: true).Shape);
        model.ResetClassifier(3);
        model.Resize(96, 32);
        Assert.Equal(new Shape(1, 3), model.Call(Torch.Randn([1, 3, 96, 32])).Shape);
    }

    [Fact]
    public void The_large_head_pools_by_attention_and_takes_multiples_of_32()
    {
        using var scope = Torch.Scope();
        var model = new InternImage(
            Small with
            {
                ClipProjector = true,
                CenterFeatureScale = true,
                ResPostNorm = true,
                Level2PostNorm = [1],
            }
        );
        model.Eval();
        using var taps = new Taps(model, "clip_projector.cross_dcn.attention");
        model.Call(Torch.Randn([1, 3, 32, 64]));
        var weights = Assert.Single(taps.Records).Value;
        Assert.Equal(new Shape(1, 16, 1, 8), weights.Shape);
        Near.Equal(Torch.Ones([1, 16, 1]), weights.Sum(-1), 1e-5);
        Assert.Contains("multiples of 32", Assert.Throws<ShapeException>(() => model.Resize(48, 32)).Message, StringComparison.Ordinal);
    }
}
