using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Tests.Models;

public class VitGanTests
{
    private static VitGanGenerator.Config Small(
        VitGanPixelMapping mapping = VitGanPixelMapping.Implicit,
        int size = 16,
        int channels = 3,
        bool spectral = true
    ) => new(size, 4, 2, 24, 2, mapping, SpectralNorm: spectral, Dim: 24, Heads: 3, MlpDim: 48, PixelDim: 32, Channels: channels);

    private static VitGanGenerator Generator(VitGanGenerator.Config? config = null, int seed = 1)
    {
        Torch.Seed((ulong)seed);
        return new(config ?? Small());
    }

    // Noise of which images would differ, even of equal styles, has weight 0 in the beginning.
    private static void WeighNoise(Module generator)
    {
        using var outside = Torch.NoGrad();
        foreach (var (name, weight) in generator.NamedParameters())
            if (name.EndsWith("noise.weight", StringComparison.Ordinal))
                weight.Fill_(0.5);
    }

    [Theory]
    [InlineData(VitGanPixelMapping.Implicit, 13_020_042)]
    [InlineData(VitGanPixelMapping.Convolution, 17_014_667)]
    public void The_reproduction_has_as_many_parameters_as_published(VitGanPixelMapping mapping, long parameters)
    {
        using var scope = Torch.Scope();
        using var skip = Init.Skip();
        Assert.Equal(parameters, new VitGanGenerator(VitGanGenerator.Config.Reproduction(32, mapping)).ParameterCount);
    }

    [Theory]
    [InlineData(VitGanPixelMapping.Implicit, 16, 3)]
    [InlineData(VitGanPixelMapping.Implicit, 12, 1)]
    [InlineData(VitGanPixelMapping.Convolution, 32, 3)]
    [InlineData(VitGanPixelMapping.Convolution, 128, 1)]
    [InlineData(VitGanPixelMapping.Convolution, 4, 3)]
    public void Images_have_the_size_and_channels_of_the_configuration(VitGanPixelMapping mapping, int size, int channels)
    {
        using var scope = Torch.Scope();
        var generator = Generator(Small(mapping, size, channels));
        generator.Eval();
        var images = generator.Call(Torch.Randn([3, generator.LatentWidth]));
        Assert.Equal(new Shape(3, channels, size, size), images.Shape);
        Assert.Equal(images.Shape.Skip(1), [generator.Channels, generator.ImageSize.Height, generator.ImageSize.Width]);
    }

    [Fact]
    public void Maps_above_64_pixels_have_half_as_many_channels_with_each_doubling()
    {
        using var scope = Torch.Scope();
        using var skip = Init.Skip();
        var state = new VitGanGenerator(VitGanGenerator.Config.Reproduction(128, VitGanPixelMapping.Convolution)).StateDict();
        Assert.Equal(new Shape(1, 384, 384, 3, 3), state["convs.5.conv.weight"].Shape);
        Assert.Equal(new Shape(1, 192, 384, 3, 3), state["convs.6.conv.weight"].Shape);
        Assert.Equal(new Shape(1, 192, 192, 3, 3), state["convs.7.conv.weight"].Shape);
        Assert.Equal(new Shape(1, 3, 192, 1, 1), state["to_rgb.conv.weight"].Shape);
        Assert.Contains("layers.5.attn.temperature", state.Keys);
        Assert.DoesNotContain("layers.6.attn.temperature", state.Keys);
    }

    [Fact]
    public void Images_by_patches_are_cut_off_outside_of_training_alone()
    {
        using var scope = Torch.Scope();
        var generator = Generator();
        using (Torch.NoGrad())
            generator.StateDict()["cips.to_rgbs.0.bias"].Fill_(2);
        var latents = Torch.Randn([2, 24]);
        var free = generator.Call(latents);
        generator.Eval();
        var cut = generator.Call(latents);
        Assert.True(free.Max().ToDouble() > 1.2);
        Assert.True(cut.Equal(free.Clamp(0, 1)));
    }

    [Fact]
    public void An_image_is_the_same_alone_and_in_a_batch()
    {
        using var scope = Torch.Scope();
        var generator = Generator();
        generator.Eval();
        var latents = Torch.Randn([3, 24]);
        var together = generator.Call(latents);
        var alone = Torch.Cat([.. Enumerable.Range(0, 3).Select(i => generator.Call(latents.Narrow(0, i, 1)))], 0);
        Assert.True(alone.Allclose(together, 1e-4, 1e-5));
        Assert.False(together.Select(0, 0).Allclose(together.Select(0, 1), 1e-2, 1e-2));
    }

    [Theory]
    [InlineData(VitGanPixelMapping.Implicit)]
    [InlineData(VitGanPixelMapping.Convolution)]
    public void Noise_comes_from_the_seed(VitGanPixelMapping mapping)
    {
        using var scope = Torch.Scope();
        var generator = Generator(Small(mapping));
        generator.Eval();
        WeighNoise(generator);
        var latents = Torch.Randn([2, 24]);
        Tensor Made(ulong seed)
        {
            Torch.Seed(seed);
            return generator.Call(latents);
        }
        Assert.True(Made(3).Equal(Made(3)));
        Assert.False(Made(3).Equal(Made(4)));
    }

    [Fact]
    public void Images_of_the_styles_of_vectors_are_the_images_of_the_vectors()
    {
        using var scope = Torch.Scope();
        ImageGenerator[] generators = [Generator(), new StyleGan2Generator(new(8, 16, 2, Widest: 8))];
        foreach (var generator in generators)
        {
            generator.Eval();
            var latents = Torch.Randn([2, generator.LatentWidth]);
            Assert.True(generator.ImagesOf(generator.Styles(latents)).Equal(generator.Call(latents)));
        }
    }

    [Fact]
    public void Singular_values_are_saved_with_the_weights()
    {
        using var scope = Torch.Scope();
        var (trained, fresh) = (Generator(), Generator(seed: 2));
        Assert.Equal(
            trained.StateDict()["layers.0.ff.net.3.module.weight_bar"].LinalgMatrixNorm(2.0).ToDouble(),
            trained.StateDict()["layers.0.ff.net.3.module.sigma_init"].ToDouble(),
            1e-3
        );
        trained.Eval();
        fresh.Eval();
        fresh.LoadStateDict(trained.StateDict());
        var latents = Torch.Randn([2, 24]);
        Assert.True(fresh.Call(latents).Equal(trained.Call(latents)));
    }

    [Fact]
    public void Published_weights_lack_singular_values_and_may_have_copies()
    {
        using var scope = Torch.Scope();
        var (trained, fresh) = (Generator(), Generator(seed: 2));
        var published = new OrderedDictionary<string, Tensor>(
            trained.StateDict().Where(entry => !entry.Key.EndsWith("sigma_init", StringComparison.Ordinal))
        )
        {
            ["layers.1.attn.to_qkv.module.weight"] = trained.StateDict()["layers.1.attn.to_qkv.module.weight_bar"],
        };
        var report = fresh.Load(published);
        Assert.Contains(report.Notes, note => note.StartsWith("sigma_init of 8 layers is not in the weights", StringComparison.Ordinal));
        Assert.Contains(report.Notes, note => note.StartsWith("layers.1.attn.to_qkv.module.weight is left out", StringComparison.Ordinal));
        Assert.Equal(Math.Sqrt(72) + Math.Sqrt(24), fresh.StateDict()["layers.1.attn.to_qkv.module.sigma_init"].ToDouble(), 1e-4);
        Assert.True(fresh.StateDict()["layers.1.ff.net.0.module.weight_bar"].Equal(published["layers.1.ff.net.0.module.weight_bar"]));
    }

    [Fact]
    public void A_configuration_with_singular_values_has_the_published_names()
    {
        using var scope = Torch.Scope();
        string[] maps = ["attn.to_qkv", "attn.to_out.0", "ff.net.0", "ff.net.3"];
        var paths = Enumerable.Range(0, 2).SelectMany(layer => maps.Select(map => $"layers.{layer}.{map}"));
        var generator = Generator(Small() with { SigmaInit = paths.ToDictionary(path => path, _ => 10.0) });
        Assert.DoesNotContain(generator.StateDict().Keys, name => name.Contains("sigma", StringComparison.Ordinal));
        Assert.Equal(
            ["bias", "weight_u", "weight_v", "weight_bar"],
            generator
                .StateDict()
                .Keys.Where(name => name.StartsWith("layers.0.attn.to_qkv.module.", StringComparison.Ordinal))
                .Select(name => name.Split('.')[^1])
        );
        var other = new Dictionary<string, double> { ["layers.2.attn.to_qkv"] = 1 };
        var error = Assert.Throws<ArgumentException>(() => Generator(Small() with { SigmaInit = other }));
        Assert.Contains("layers.2.attn.to_qkv", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Scales_of_normalized_weights_change_nothing()
    {
        using var scope = Torch.Scope();
        var generator = Generator();
        generator.Eval();
        var latents = Torch.Randn([2, 24]);
        var before = generator.Call(latents);
        using (Torch.NoGrad())
            generator.StateDict()["layers.0.ff.net.0.module.weight_bar"].Mul_(8);
        Assert.True(generator.Call(latents).Allclose(before, 1e-3, 1e-3));
    }

    [Fact]
    public void What_never_learns_does_not_even_when_gradients_flow_to_all_parameters()
    {
        using var scope = Torch.Scope();
        var generator = Generator();
        generator.RequireGrad(true);
        generator.Call(Torch.Randn([2, 24])).Square().Sum().Backward();
        string[] still = [.. generator.NamedParameters().Where(p => p.Parameter.Grad is null).Select(p => p.Name)];
        Assert.Equal(2 * (1 + 4 * 2), still.Length);
        Assert.All(still, name =>
            Assert.True(
                name.EndsWith("weight_u", StringComparison.Ordinal)
                    || name.EndsWith("weight_v", StringComparison.Ordinal)
                    || name.EndsWith("to_qkv.module.bias", StringComparison.Ordinal),
                name
            )
        );
    }

    [Fact]
    public void Sizes_that_do_not_fit_are_refused()
    {
        using var scope = Torch.Scope();
        Assert.Contains("multiple of the 4 tokens", Assert.Throws<ArgumentException>(() => Generator(Small(size: 18))).Message);
        Assert.Contains("doubled", Assert.Throws<ArgumentException>(() => Generator(Small(VitGanPixelMapping.Convolution, 12))).Message);
        Assert.Contains("5 heads", Assert.Throws<ArgumentException>(() => Generator(Small() with { Heads = 5 })).Message);
        Assert.Contains("Depth must be 1", Assert.Throws<ArgumentException>(() => Generator(Small() with { Depth = 0 })).Message);
        var generator = Generator();
        Assert.Contains("[B, 24]", Assert.Throws<ShapeException>(() => generator.Call(Torch.Randn([2, 3, 16, 16]))).Message);
        Assert.Contains("[B, 24]", Assert.Throws<ShapeException>(() => generator.Call(Torch.Randn([2, 23]))).Message);
    }

    [Fact]
    public void Options_of_recipes_are_those_of_their_preset_unless_they_say_otherwise()
    {
        using var scope = Torch.Scope();
        using var skip = Init.Skip();
        var images = new ModelOptions { ImageSize = (64, 64), Channels = 1 };
        var published = new VitGanGeneratorOptions(Dim: 24).Create(images).StateDict();
        Assert.Contains("layers.5.attn.to_qkv.module.weight_bar", published.Keys);
        Assert.Equal(new Shape(24, 96), published["layers.0.ff.net.3.module.weight_bar"].Shape);
        var paper = new VitGanGeneratorOptions(VitGanPreset.Paper, Dim: 24, Depth: 1).Create(images);
        Assert.Contains("layers.0.attn.to_qkv.weight", paper.StateDict().Keys);
        Assert.DoesNotContain("layers.1.attn.to_qkv.weight", paper.StateDict().Keys);
        Assert.Equal((1, (64, 64)), (paper.Channels, paper.ImageSize));
        Assert.Throws<ArgumentException>(() => new VitGanGeneratorOptions().Create(new() { ImageSize = (32, 64) }));
        Assert.IsType<StyleGan2Generator>(new StyleGan2GeneratorOptions(Widest: 4).Create(new()));
    }

    [Fact]
    public void Another_style_takes_over_in_training()
    {
        using var scope = Torch.Scope();
        Torch.Seed(5);
        var mixing = new StyleGan2Generator(new(8, 16, 2, StyleMix: 1, Widest: 8));
        var plain = new StyleGan2Generator(new(8, 16, 2, StyleMix: 0, Widest: 8));
        plain.LoadStateDict(mixing.StateDict());
        var latents = Torch.Randn([4, 16]);
        Assert.False(mixing.Call(latents).Allclose(plain.Call(latents), 1e-2, 1e-2));
        mixing.Eval();
        plain.Eval();
        Assert.True(mixing.Call(latents).Equal(plain.Call(latents)));
        Assert.True(plain.Call(latents).Min().ToDouble() >= 0);
    }

    [Theory]
    [InlineData(64, false, "512,512,512,512,512")]
    [InlineData(128, false, "512,512,512,512,512,256")]
    [InlineData(32, true, "512,512,256,128")]
    public void Widths_of_StyleGAN2_are_the_published_ones(int size, bool small32, string widths) =>
        Assert.Equal(widths.Split(',').Select(int.Parse), StyleGan2Widths.Of(size, small32, 2, 512));

    [Fact]
    public void Sizes_that_StyleGAN2_has_not_are_refused()
    {
        Assert.Contains("power of 2", Assert.Throws<ArgumentException>(() => StyleGan2Widths.Of(48, false, 2, 512)).Message);
        Assert.Contains("at most 32", Assert.Throws<ArgumentException>(() => StyleGan2Widths.Of(64, true, 2, 512)).Message);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 2)]
    public void A_modulated_convolution_is_one_whose_weights_are_scaled_for_each_sample(int kernel, int doubling)
    {
        using var scope = Torch.Scope();
        Torch.Seed(6);
        var layer = new ModulatedConv2d(5, 7, kernel, 4, doubles: doubling == 2);
        var (map, style) = (Torch.Randn([3, 5, 6, 6]), Torch.Randn([3, 4]));
        var state = layer.StateDict();
        var scale = Torch.Linear(style, state["modulation.weight"] / 2, state["modulation.bias"] + 1); // 2 is sqrt(4)
        var each = Enumerable
            .Range(0, 3)
            .Select(i =>
            {
                var weight = state["weight"][0] * scale[i].Reshape(1, 5, 1, 1) / Math.Sqrt(5 * kernel * kernel);
                weight /= (weight.Square().Sum([1, 2, 3], true) + 1e-8).Sqrt();
                var one = map.Narrow(0, i, 1);
                return doubling == 1
                    ? Torch.Conv2d(one, weight, padding: kernel / 2)
                    : LowPass.At(1, 4).Call(Torch.ConvTranspose2d(one, weight.Transpose(0, 1), stride: 2));
            });
        var result = layer.Call((map, style));
        Assert.Equal(new Shape(3, 7, 6 * doubling, 6 * doubling), result.Shape);
        Assert.True(result.Allclose(Torch.Cat([.. each], 0), 1e-4, 1e-5));
    }

    [Fact]
    public void Doubling_puts_zeros_between_the_points_and_filters()
    {
        using var scope = Torch.Scope();
        var point = Torch.Zeros([1, 2, 3, 3]);
        point[0, 1, 1, 1].Fill_(16);
        var doubled = LowPass.Doubling().Call(point);
        var side = Tensor.From([1f, 3f, 3f, 1f]);
        Assert.Equal(new Shape(1, 2, 6, 6), doubled.Shape);
        Assert.True(doubled[0, 1].Narrow(0, 1, 4).Narrow(1, 1, 4).Equal(side.Unsqueeze(1) * side));
        Assert.Equal(64, doubled.Sum().ToDouble());
        var flat = LowPass.At(2).Call(Torch.Ones([1, 1, 8, 8]));
        Assert.Equal(new Shape(1, 1, 9, 9), flat.Shape);
        Assert.Equal(1, flat[0, 0, 4, 4].ToDouble());
    }
}
