using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Tests.Models;

public class DiscriminatorTests
{
    private static VitDiscriminator.Config Small(VitDiscriminatorActivation activation = VitDiscriminatorActivation.Silu) =>
        new(8, 4, Dim: 12, Depth: 2, Heads: 3, MlpRatio: 2, Activation: activation);

    private static Discriminator Make(string name) =>
        name switch
        {
            "vit" => new VitDiscriminator(Small()),
            "vit_gelu" => new VitDiscriminator(Small(VitDiscriminatorActivation.Gelu)),
            _ => new StyleGan2Discriminator(new(8, Small32: true, Widest: 8)),
        };

    private static Tensor Scattered(params ReadOnlySpan<long> shape)
    {
        var count = shape.ToArray().Aggregate(1L, (product, size) => product * size);
        return (Torch.Arange(count, dtype: DType.Float64) * 12.9898).Sin().Reshape(shape) * 0.5 + 0.5;
    }

    [Fact]
    public void The_papers_discriminator_has_as_many_parameters_as_the_reference()
    {
        using var scope = Torch.Scope();
        using var skip = Init.Skip();
        Assert.Equal(6_580_225, new VitDiscriminator(VitDiscriminator.Config.Paper(32)).ParameterCount);
        var larger = new VitDiscriminator(VitDiscriminator.Config.Paper(64)).StateDict();
        Assert.Equal(new Shape(384, 3 * 16 * 16), larger["patch_embed.weight"].Shape);
        Assert.Contains("blocks.5.fc2.weight", larger.Keys);
        Assert.DoesNotContain("blocks.6.fc2.weight", larger.Keys);
    }

    // The gradient of R1, which is a second derivative, against differences of R1 itself.
    [Theory]
    [InlineData("vit")]
    [InlineData("vit_gelu")]
    [InlineData("stylegan2")]
    public void The_gradient_of_a_penalty_on_gradients_is_its_slope(string name)
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var discriminator = Make(name);
        discriminator.To(dtype: DType.Float64);
        var images = Scattered(4, 3, 8, 8);
        // The vectors of a spectral norm are constants for the gradient. Where they are those of the largest singular value, small changes
        // of the weights do not change the value through them.
        var state = discriminator.StateDict();
        using (Torch.NoGrad())
            foreach (var (key, vector) in state.Where(entry => entry.Key.EndsWith("weight_u", StringComparison.Ordinal)))
                vector.Copy_(Torch.LinalgSvd(state[key[..^2]]).U.Select(1, 0));
        discriminator.Eval();
        images.RequiresGrad = true;
        Tensor Penalty()
        {
            var gradient = Autograd.Grad([discriminator.Call(images).Sum()], [images], createGraph: true)[0]!;
            return gradient.Square().Sum() / 4;
        }
        var checkedOnes = 0;
        foreach (var (parameter, values) in discriminator.NamedParameters().ToArray())
        {
            if (parameter.StartsWith("projection", StringComparison.Ordinal))
                continue;
            var slope = Autograd.Grad([Penalty()], [values], allowUnused: true)[0] ?? values.ZerosLike();
            var direction = Scattered([.. values.Shape]) - 0.5;
            var expected = (slope * direction).Sum().ToDouble();
            double At(double step)
            {
                using (Torch.NoGrad())
                    values.Add_(direction * step);
                var penalty = Penalty().ToDouble();
                using (Torch.NoGrad())
                    values.Sub_(direction * step);
                return penalty;
            }
            // So short that no rectifier changes its side.
            const double step = 1e-7;
            var difference = (At(step) - At(-step)) / (2 * step);
            Assert.True(
                Math.Abs(difference - expected) <= 1e-4 * Math.Max(1, Math.Abs(difference)),
                $"{parameter}: {expected}, by differences {difference}"
            );
            checkedOnes++;
        }
        Assert.True(checkedOnes > 5);
    }

    [Theory]
    [InlineData("vit")]
    [InlineData("vit_gelu")]
    [InlineData("stylegan2")]
    public void Gradients_of_a_penalty_are_the_same_in_float32_and_float64(string name)
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var discriminator = Make(name);
        Tensor[] Gradients(DType type)
        {
            discriminator.To(dtype: type);
            discriminator.Eval();
            // Enough rows for the kernels of linear maps that training has in float32.
            var images = Scattered(16, 3, 8, 8).To(type);
            images.RequiresGrad = true;
            var gradient = Autograd.Grad([discriminator.Call(images).Sum()], [images], createGraph: true)[0]!;
            Parameter[] all = [.. discriminator.Parameters()];
            var found = Autograd.Grad([gradient.Square().Sum()], all, allowUnused: true);
            return [.. found.Select((g, i) => (g ?? all[i].ZerosLike()).To(DType.Float64))];
        }
        static double Largest(Tensor tensor) => tensor.Abs().Max().ToDouble();
        var exact = Gradients(DType.Float64);
        var single = Gradients(DType.Float32);
        Assert.All(exact.Zip(single), pair => Assert.True(Largest(pair.First - pair.Second) <= 1e-3 * Math.Max(1e-3, Largest(pair.First))));
    }

    [Fact]
    public void Attention_by_distances_sums_to_1_and_is_largest_for_the_token_itself()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var discriminator = new VitDiscriminator(Small());
        using var taps = new Taps(discriminator, "blocks.*.attn.attention");
        discriminator.Call(Torch.Rand([3, 3, 8, 8]));
        foreach (var block in new[] { 0, 1 })
        {
            var attention = taps[$"blocks.{block}.attn.attention"];
            Assert.Equal(new Shape(3, 3, 5, 5), attention.Shape);
            Assert.True(attention.Sum([-1]).Allclose(Torch.Ones([3, 3, 5])));
            Assert.True(attention.Argmax(-1).Equal(Torch.Arange(5, dtype: DType.Int64).Expand([3, 3, 5])));
        }
    }

    // One patch without neighbours makes the embedding a linear map of the pixels: its matrix comes out of images of one pixel each.
    [Fact]
    public void The_largest_singular_value_of_the_weights_in_use_stays_what_it_was()
    {
        using var scope = Torch.Scope();
        using var outside = Torch.NoGrad();
        Torch.Seed(3);
        var discriminator = new VitDiscriminator(new(4, 4, Overlap: 0, Dim: 24, Depth: 1, Heads: 3, Channels: 1));
        var weight = discriminator.StateDict()["patch_embed.weight"];
        var before = weight.LinalgMatrixNorm(2.0).ToDouble();
        Assert.Equal(before, discriminator.StateDict()["patch_embed.sigma_init"].ToDouble(), 1e-3);
        // Learning makes one direction stronger than the others.
        weight.Mul_(3);
        weight.Add_(Torch.Randn([24, 1]).Matmul(Torch.Randn([1, 16])) * 2);
        Assert.True(weight.LinalgMatrixNorm(2.0).ToDouble() > 3 * before);
        Tensor Embedded(Tensor images)
        {
            using var taps = new Taps(discriminator, "embedded");
            discriminator.Call(images);
            return taps["embedded"].Select(1, 1);
        }
        for (var i = 0; i < 50; i++)
            Embedded(Torch.Rand([1, 1, 4, 4]));
        discriminator.Eval();
        var nothing = Embedded(Torch.Zeros([1, 1, 4, 4]));
        // A pixel of 1 instead of 0 is 2 for the weights, which are divided by sqrt(16).
        var used = (Embedded(Torch.Eye(16).Reshape(16, 1, 4, 4)) - nothing) * 2;
        Assert.Equal(before, used.LinalgMatrixNorm(2.0).ToDouble(), 0.01 * before);
    }

    [Fact]
    public void The_estimate_of_a_singular_vector_is_renewed_in_training_alone()
    {
        using var scope = Torch.Scope();
        Torch.Seed(4);
        var discriminator = new VitDiscriminator(Small());
        var vector = discriminator.StateDict()["blocks.1.attn.to_v.weight_u"];
        var images = Torch.Rand([2, 3, 8, 8]);
        var before = vector.Clone();
        discriminator.Eval();
        discriminator.Call(images);
        Assert.True(vector.Equal(before));
        discriminator.Train();
        discriminator.Call(images).Sum().Backward();
        Assert.False(vector.Equal(before));
        Assert.Equal(1, vector.LinalgVectorNorm().ToDouble(), 1e-3);
    }

    [Fact]
    public void Short_numbers_do_not_change_a_singular_value()
    {
        using var scope = Torch.Scope();
        Torch.Seed(5);
        var (weight, vector) = (Torch.Randn([48, 32]), Torch.Randn([48]) * 1e-3);
        var exact = SpectralNorm.Estimate(weight, vector, false).Value.ToDouble();
        foreach (var type in new[] { DType.Float16, DType.BFloat16 })
        {
            var (short1, short2) = (weight.To(type), vector.To(type));
            var expected = SpectralNorm.Estimate(short1.To(DType.Float32), short2.To(DType.Float32), false).Value.ToDouble();
            var found = SpectralNorm.Estimate(short1, short2, false).Value;
            Assert.Equal((DType.Float32, expected), (found.DType, found.ToDouble()));
        }
        using var autocast = Torch.Autocast(DType.BFloat16);
        Assert.Equal(exact, SpectralNorm.Estimate(weight, vector, false).Value.ToDouble());
    }

    [Theory]
    [InlineData("vit")]
    [InlineData("stylegan2")]
    public void Scores_under_autocast_are_those_of_float32_roughly_and_have_gradients(string name)
    {
        using var scope = Torch.Scope();
        Torch.Seed(6);
        var discriminator = Make(name);
        discriminator.Eval();
        var images = Torch.Rand([4, 3, 8, 8]);
        var exact = discriminator.Call(images);
        using var autocast = Torch.Autocast(DType.BFloat16);
        var scores = discriminator.Call(images);
        Assert.True(scores.To(DType.Float32).Allclose(exact, 0.05, 0.05));
        scores.Sum().Backward();
        Assert.All(discriminator.NamedParameters().Where(p => !p.Name.StartsWith("projection", StringComparison.Ordinal)), p =>
            Assert.True(double.IsFinite(p.Parameter.Grad?.Square().Sum().ToDouble() ?? double.NaN), p.Name)
        );
    }

    [Fact]
    public void A_batch_must_be_a_multiple_of_the_group_unless_it_is_smaller()
    {
        using var scope = Torch.Scope();
        var discriminator = Make("stylegan2");
        Assert.Equal(4, discriminator.BatchMultiple);
        foreach (var batch in new[] { 1, 2, 3, 4, 8 })
            Assert.Equal(new Shape(batch, 1), discriminator.Call(Torch.Rand([batch, 3, 8, 8])).Shape);
        var error = Assert.Throws<ShapeException>(() => discriminator.Call(Torch.Rand([6, 3, 8, 8])));
        Assert.Contains("6 images", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Groups_are_interleaved()
    {
        using var scope = Torch.Scope();
        Torch.Seed(7);
        var discriminator = Make("stylegan2");
        var images = Torch.Rand([8, 3, 8, 8]);
        var scores = discriminator.Call(images);
        var changed = images.Clone();
        changed[2] = 1 - images[2];
        var others = discriminator.Call(changed);
        foreach (var image in Enumerable.Range(0, 8).Where(i => i != 2))
            Assert.Equal(image % 2 == 1, scores[image].Allclose(others[image], 1e-5, 1e-6));
    }

    [Theory]
    [InlineData("vit")]
    [InlineData("stylegan2")]
    public void Images_of_another_size_are_refused(string name)
    {
        using var scope = Torch.Scope();
        var discriminator = Make(name);
        foreach (var shape in new long[][] { [2, 3, 16, 16], [2, 1, 8, 8], [3, 8, 8], [2, 3, 8, 16] })
            Assert.Contains("[B, 3, 8, 8]", Assert.Throws<ShapeException>(() => discriminator.Call(Torch.Rand(shape))).Message);
    }

    [Fact]
    public void Heads_that_no_score_depends_on_can_be_left_out()
    {
        using var scope = Torch.Scope();
        var without = new StyleGan2Discriminator(new(8, Small32: true, Projections: false, Widest: 8));
        Assert.DoesNotContain(without.StateDict().Keys, name => name.StartsWith("projection", StringComparison.Ordinal));
        Assert.Contains("projection2.2.bias", Make("stylegan2").StateDict().Keys);
    }
}
