using FsCheck;
using FsCheck.Fluent;
using Tessera.Training.Objectives.SelfSupervision;

namespace Tessera.Training.Tests;

/// <summary>How images are destroyed for a network that rebuilds them.</summary>
[Collection("engine")]
public sealed class SitCorruptionTests : IDisposable
{
    private readonly Scope scope = new();

    public void Dispose() => scope.Dispose();

    private static Tensor Images(ulong seed, int count, int height, int width)
    {
        Torch.Seed(seed);
        // No zero and nothing that noise is likely to be, so that a changed pixel shows.
        return Torch.Rand([count, 3, height, width]) + 10;
    }

    private static readonly BlockFilling[] all = [BlockFilling.Zeros, BlockFilling.Noise, BlockFilling.Block];

    [Fact]
    public void What_is_not_masked_is_as_it_was_and_the_mask_covers_what_it_should()
    {
        var cases =
            from seed in Gen.Choose(0, 100_000)
            from height in Gen.Choose(8, 40)
            from width in Gen.Choose(8, 40)
            from percent in Gen.Choose(5, 60)
            select (seed, height, width, percent);
        Prop.ForAll(cases.ToArbitrary(), sample =>
            {
                using var inner = new Scope();
                var (seed, height, width, percent) = sample;
                var area = percent / 100.0;
                var images = Images((ulong)seed, 3, height, width);
                var found = new GroupMasking(all, area, 0, 1, (height, width)).Apply(images);
                var whole = found.Mask.Expand(images.Shape).Eq(0);
                Assert.True(found.Images.MaskedSelect(whole).Equal(images.MaskedSelect(whole)));
                var block = Math.Max(1, (int)(0.3 * height) - 1) * Math.Max(1, (int)(0.3 * width) - 1);
                foreach (var covered in found.Mask.Sum([1, 2, 3]).ToArray<float>())
                    Assert.InRange(covered, Math.Min(0.5, area) * height * width - 1e-3, area * height * width + block);
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(40));
    }

    [Theory]
    [InlineData(4, 32, 32)]
    [InlineData(4, 24, 48)]
    [InlineData(16, 224, 224)]
    public void Aligned_blocks_begin_and_end_at_multiples(int align, int height, int width)
    {
        var found = new GroupMasking(all, 0.5, 0.3, align, (height, width)).Apply(Images(3, 6, height, width));
        var cells = found.Mask.Reshape(6, height / align, align, width / align, align).Permute(0, 1, 3, 2, 4).Flatten(3);
        Assert.True(cells.Amin([3]).Equal(cells.Amax([3])));
        Assert.True(cells.Sum().ToDouble() > 0);
    }

    [Fact]
    public void Zeros_are_zeros_and_noise_is_normal()
    {
        var images = Images(4, 64, 32, 32);
        var (zeros, noise) = (
            new GroupMasking([BlockFilling.Zeros], 0.5, 0, 1, (32, 32)).Apply(images),
            new GroupMasking([BlockFilling.Noise], 0.5, 0, 1, (32, 32)).Apply(images)
        );
        Assert.Equal(0, zeros.Images.MaskedSelect(zeros.Mask.Expand(images.Shape).Eq(1)).Abs().Max().ToDouble());
        var drawn = noise.Images.MaskedSelect(noise.Mask.Expand(images.Shape).Eq(1));
        Assert.Equal(0, drawn.Mean().ToDouble(), 0.02);
        Assert.Equal(1, drawn.Std(0).ToDouble(), 0.02);
    }

    [Fact]
    public void Some_images_have_parts_of_others_instead_of_what_was_dropped()
    {
        // Each image has one colour, by which pasted parts tell where they come from.
        var images = (Torch.Arange(200).To(DType.Float32) + 1).Reshape(200, 1, 1, 1).Expand([200, 3, 16, 16]).Contiguous();
        Torch.Seed(5);
        var found = new GroupMasking([BlockFilling.Zeros], 0.5, 0.3, 1, (16, 16)).Apply(images);
        var pasted = 0;
        for (var i = 0; i < 200; i++)
        {
            var inside = found.Images[i, 0].MaskedSelect(found.Mask[i, 0].Eq(1));
            // One other image alone, or zeros alone.
            Assert.Equal(inside.Min().ToDouble(), inside.Max().ToDouble());
            if (inside.Min().ToDouble() == 0)
                Assert.InRange(inside.Elements, 128, 128 + 16);
            else
            {
                pasted++;
                Assert.InRange(inside.Elements, 0.3 * 256, 0.3 * 256 + 16);
            }
        }
        Assert.InRange(pasted, 75, 125);
    }

    [Fact]
    public void Blocks_that_cannot_cover_so_much_are_refused()
    {
        var error = Assert.Throws<ArgumentException>(() => new GroupMasking(all, 0.7, 0.35, 8, (32, 32)));
        Assert.Contains("cover at most 0.56 of an image of 32 x 32, and not 0.7", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new GroupMasking([BlockFilling.Replace], 0.5, 0.3, 1, (32, 32)));
        Assert.Throws<ArgumentException>(() => new GroupMasking([], 0.5, 0.3, 1, (32, 32)));
    }

    [Fact]
    public void A_copied_block_is_that_of_the_moment_before_it_is_written()
    {
        // A row moves on by one twice: overlapping blocks are taken before they are written.
        var image = Torch.Arange(4).To(DType.Float32).Reshape(1, 1, 1, 4);
        var sources = new PixelSources(1, 1, 4);
        for (var i = 0; i < 2; i++)
            sources.Write(0, new(0, 1, 1, 3, BlockFilling.Block, 0, 0));
        Assert.Equal([0, 0, 0, 1], sources.Render(image, null).ToArray<float>());
        Assert.Equal(3, sources.Covered(0));
        // What lies outside is left out.
        sources.Write(0, new(0, 0, 5, 9, BlockFilling.Zeros));
        Assert.Equal(4, sources.Covered(0));
    }

    [Fact]
    public void The_distortion_of_2021_pastes_another_image_as_it_is_at_that_moment()
    {
        var images = Images(6, 40, 20, 20);
        var found = new Distortion().Apply(images);
        Assert.Equal(images.Shape, found.Images.Shape);
        // Grey and blurred rectangles change pixels that count as seen, noise and pasted parts those that do not.
        Assert.InRange(found.Mask.Mean().ToDouble(), 0.1, 0.5);
        Assert.False(found.Images.Equal(images));
        Assert.True(found.Images.Isfinite().All().ToInt64() != 0);
        // What noise there is beside the images' 10 to 11 lies within the mask.
        var noise = found.Images.Lt(9).Any(1, true);
        Assert.Equal(0, noise.LogicalAnd(found.Mask.Eq(0)).Sum().ToInt64());
        Assert.True(noise.Sum().ToInt64() > 0);
    }

    public static TheoryData<string> Corruptions => ["groups", "distortion"];

    private static ImageCorruption Of(string name) => name == "groups" ? new GroupMasking(all, 0.5, 0.3, 1, (16, 16)) : new Distortion();

    [Theory]
    [MemberData(nameof(Corruptions))]
    public void In_training_the_engines_generator_draws(string name)
    {
        var images = Images(7, 5, 16, 16);
        Corrupted Draw(ulong seed)
        {
            Torch.Seed(seed);
            return Of(name).Apply(images);
        }
        Assert.True(Draw(1).Images.Equal(Draw(1).Images));
        Assert.False(Draw(1).Images.Equal(Draw(2).Images));
    }

    [Theory]
    [MemberData(nameof(Corruptions))]
    public void In_a_measurement_an_image_is_destroyed_alike_whatever_its_neighbours(string name)
    {
        var images = Images(8, 5, 16, 16);
        var before = Generator.Default(Device.Cpu).GetState().ToArray<byte>();
        var together = Of(name).Measured(images, [3, 9, 4, 1, 0], 2);
        var alone = Of(name).Measured(images.Slice(0, 1, 2), [9], 2);
        Assert.True(together.Images.Slice(0, 1, 2).Equal(alone.Images));
        Assert.True(together.Mask.Slice(0, 1, 2).Equal(alone.Mask));
        Assert.False(Of(name).Measured(images, [3, 9, 4, 1, 0], 3).Images.Equal(together.Images));
        Assert.Equal(before, Generator.Default(Device.Cpu).GetState().ToArray<byte>());
    }

    [Fact]
    public void Turns_are_quarters_counter_clockwise()
    {
        var image = Tensor.From([0f, 1, 2, 3], 1, 1, 2, 2).Expand([4, 1, 2, 2]).Contiguous();
        Assert.Equal([0, 1, 2, 3, 1, 3, 0, 2, 3, 2, 1, 0, 2, 0, 3, 1], Turning.Apply(image, [0, 1, 2, 3]).ToArray<float>());
    }
}
