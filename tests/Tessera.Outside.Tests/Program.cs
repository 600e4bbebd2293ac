namespace Tessera.Outside.Tests;

/// <summary>What a test asks of a process of its own, in which nothing has set anything yet.</summary>
internal static class Program
{
    private static void Main(string[] arguments)
    {
        switch (arguments)
        {
            case ["threads"]:
                ThreadTests.Tell();
                break;
            case ["settings", .. var off]:
                ProcessSettingTests.Tell(off);
                break;
            default:
                throw new ArgumentException($"the program knows the words threads and settings, not {string.Join(' ', arguments)}");
        }
    }
}
