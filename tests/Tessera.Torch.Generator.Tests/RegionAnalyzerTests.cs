using Microsoft.CodeAnalysis;

namespace Tessera.Generator.Tests;

public sealed class RegionAnalyzerTests
{
    public static TheoryData<string, string> Regions =>
        new()
        {
            { "new Scope()", "Scope" },
            { "Torch.Scope()", "Scope" },
            { "Torch.NoGrad()", "GradMode" },
            { "Torch.EnableGrad()", "GradMode" },
            { "Torch.Inference()", "InferenceMode" },
            { "Torch.Autocast()", "Autocast" },
            { "Environment.Is64BitProcess ? Torch.Autocast() : null", "Autocast" },
            { "new Taps(new ModuleList<Layer>(), \"*\")", "Taps" },
            { "new OperationCount()", "OperationCount" },
            { "Init.Skip()", "ThreadRegion" },
        };

    [Theory]
    [MemberData(nameof(Regions))]
    public async Task Every_region_over_an_await_is_warned_of(string region, string type)
    {
        var code = $$"""
            class Own
            {
                async Task Declared()
                {
                    using var held = {{region}};
                    await Task.Yield();
                }

                async Task Stated()
                {
                    using ({{region}})
                        await Task.Yield();
                    using (var held = {{region}})
                    {
                        if (held is null)
                            return;
                        await Task.Yield();
                    }
                }
            }
            """;
        string[] expected = [$"5: {type} is held over await:", $"11: {type} is held over await:", $"13: {type} is held over await:"];
        Assert.Equal(expected, await Compiled.Warnings(code));
    }

    [Theory]
    [InlineData("foreach (var i in new[] { 1 }) { await Task.Yield(); }")]
    [InlineData("await foreach (var i in Numbers()) { }")]
    [InlineData("await using (Other()) { }")]
    [InlineData("await using var other = Other();")]
    [InlineData("try { } finally { await Task.Yield(); }")]
    [InlineData("var x = 1 + await Task.FromResult(2);")]
    public async Task Every_form_of_await_counts(string statement)
    {
        var code = $$"""
            class Own
            {
                async Task Run()
                {
                    using var scope = new Scope();
                    {{statement}}
                }

                static async IAsyncEnumerable<int> Numbers() { await Task.Yield(); yield return 1; }
                static IAsyncDisposable Other() => throw new NotSupportedException();
            }
            """;
        Assert.Equal(["5: Scope is held over await:"], await Compiled.Warnings(code));
    }

    [Fact]
    public async Task An_iterator_is_warned_of_what_it_holds_over_yield_return() =>
        Assert.Equal(
            ["5: Scope is held over yield"],
            await Compiled.Warnings(
                """
                class Own
                {
                    IEnumerable<int> Held()
                    {
                        using var scope = new Scope();
                        yield return 1;
                    }

                    IEnumerable<int> Free()
                    {
                        using (new Scope())
                            Console.WriteLine();
                        yield return 1;
                        using (new Scope())
                            yield break;
                    }
                }
                """
            )
        );

    [Fact]
    public async Task A_program_without_classes_and_a_case_of_a_switch_are_looked_at() =>
        Assert.Equal(
            ["2: Scope is held over await:", "6: GradMode is held over await:"],
            await Compiled.Warnings(
                """
                await Task.Yield();
                using var scope = new Scope();
                switch (args.Length)
                {
                    case 0:
                        using (var quiet = Torch.NoGrad()) { await Task.Yield(); }
                        break;
                }
                """,
                OutputKind.ConsoleApplication
            )
        );

    [Fact]
    public async Task Regions_that_end_before_and_functions_of_their_own_are_free() =>
        Assert.Empty(
            await Compiled.Warnings(
                """
                class Own
                {
                    async Task<float> Run()
                    {
                        await Task.Yield();
                        float sum;
                        using (var scope = new Scope())
                            sum = Torch.Ones([3]).Sum().ToSingle();
                        {
                            using var quiet = Torch.NoGrad();
                            sum++;
                        }
                        await Task.Yield();
                        using var last = new Scope();
                        Func<Task> later = async () => await Task.Yield();
                        async Task Local() => await Task.Yield();
                        _ = Local();
                        _ = later();
                        return sum;
                    }

                    async Task Unrelated()
                    {
                        using var stream = new System.IO.MemoryStream();
                        await stream.FlushAsync();
                    }
                }
                """
            )
        );
}
